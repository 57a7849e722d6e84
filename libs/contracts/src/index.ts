export * from './document.js';
export * from './function-group.js';
// Resources share their names with the objects that workers get.
export {
  type AccelerationKey as AccelerationKeyResource,
  AccelerationKeySchema as AccelerationKeyResourceSchema,
  type AccelerationKeySpec,
  AccelerationKeySpecSchema,
  type AccelerationKeyStatus,
  AccelerationKeyStatusSchema,
  type KeyVersion,
  KeyVersionSchema,
  type KeyVersionStatus,
  KeyVersionStatusSchema,
  type SealedSecret,
  SealedSecretSchema,
} from './gen/outboard/acceleration/v1alpha1/acceleration_key_pb.js';
export * from './gen/outboard/acceleration/v1alpha1/acceleration_profile_pb.js';
export * from './gen/outboard/acceleration/v1alpha1/acceleration_quota_pb.js';
export {
  type AccelerationSession as AccelerationSessionResource,
  AccelerationSessionSchema as AccelerationSessionResourceSchema,
  type AccelerationSessionSpec,
  AccelerationSessionSpecSchema,
  type AccelerationSessionStatus,
  AccelerationSessionStatusSchema,
  type GrantedOffload,
  GrantedOffloadSchema,
  type GrantedProgram,
  GrantedProgramSchema,
  type GrantedStep,
  GrantedStepSchema,
  type SessionHolder,
  SessionHolderSchema,
} from './gen/outboard/acceleration/v1alpha1/acceleration_session_pb.js';
export * from './gen/outboard/acceleration/v1alpha1/access_pb.js';
export * from './gen/outboard/acceleration/v1alpha1/program_pb.js';
export * from './gen/outboard/admin/v1alpha1/dpu_network_configuration_pb.js';
export * from './gen/outboard/admin/v1alpha1/dpu_pb.js';
export * from './gen/outboard/admin/v1alpha1/function_pb.js';
export * from './gen/outboard/admin/v1alpha1/function_pool_pb.js';
export * from './gen/outboard/admin/v1alpha1/workload_configuration_pb.js';
export * from './gen/outboard/admin/v1alpha1/workload_pb.js';
export * from './gen/outboard/common/v1alpha1/resource_pb.js';
export * from './gen/outboard/common/v1alpha1/rpc_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/acceleration_operations_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/acceleration_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/admin_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/counters_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/document_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/inspect_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/inventory_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/object_pb.js';
export * from './gen/outboard/dataplane/v1alpha1/workload_pb.js';
export * from './gen/outboard/network/v1alpha1/address_set_pb.js';
export * from './gen/outboard/network/v1alpha1/encapsulation_policy_pb.js';
export * from './gen/outboard/network/v1alpha1/explain_pb.js';
export * from './gen/outboard/network/v1alpha1/layer1_pb.js';
export * from './gen/outboard/network/v1alpha1/netlink_object_pb.js';
export * from './gen/outboard/network/v1alpha1/network_pb.js';
export * from './gen/outboard/network/v1alpha1/physical_network_pb.js';
export * from './gen/outboard/network/v1alpha1/port_pb.js';
// The resource shares its name with the object of the dataplane.
export {
  type DpuProblem,
  DpuProblemSchema,
  type ExternalGateway,
  ExternalGatewaySchema,
  type RouteNextHop,
  RouteNextHopSchema,
  type Router as RouterResource,
  RouterSchema as RouterResourceSchema,
  type RouterSpec,
  RouterSpecSchema,
  type RouterStatus,
  RouterStatusSchema,
  type StaticRoute,
  StaticRouteSchema,
} from './gen/outboard/network/v1alpha1/router_pb.js';
export * from './gen/outboard/network/v1alpha1/rule_counters_pb.js';
export * from './gen/outboard/network/v1alpha1/security_policy_pb.js';
export * from './gen/outboard/network/v1alpha1/service_chain_pb.js';
export * from './gen/outboard/network/v1alpha1/subnet_pb.js';
export * from './gen/outboard/network/v1alpha1/trace_pb.js';
export * from './headers.js';
export {
  decodeJson,
  encodeJson,
  formatPath,
  MAX_JSON_DEPTH,
  MAX_JSON_VALUES,
  meantBy,
  readJson,
} from './json.js';
export { findJsonFault, parseJsonText } from './json-text.js';
export * from './subjects.js';
export * from './wire-error.js';
