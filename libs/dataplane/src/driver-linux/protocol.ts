/** Our mark on routes and neighbours (rtmProtocol, NDA_PROTOCOL): above 186, nobody's by any convention of iproute2. */
export const OUTBOARD_PROTOCOL = 200;
