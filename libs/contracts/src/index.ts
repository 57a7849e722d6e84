export * from './gen/outboard/admin/v1alpha1/dpu_pb.js';
export * from './gen/outboard/admin/v1alpha1/function_pb.js';
export * from './gen/outboard/common/v1alpha1/resource_pb.js';
export * from './gen/outboard/common/v1alpha1/rpc_pb.js';
export * from './headers.js';
export * from './subjects.js';
export * from './wire-error.js';
