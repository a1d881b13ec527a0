/** VirtualService: who answers for a host, request by request. */

export type * from './virtual-service/types.ts';
