/**
 * On both ends of the functions that a worker makes for the workloads of its DPU, from the moment of their birth
 * (IFLA_GROUP): `obf` in ASCII. It tells them from sub-functions of hardware, whose representors are called alike.
 */
export const FUNCTION_GROUP = 0x6f6266;
