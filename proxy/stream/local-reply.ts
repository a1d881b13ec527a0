/** A response made by the proxy itself. */

export interface LocalReply {
  readonly status: number;
  /** Empty for none. UTF-8 text unless `bytes` is given. */
  readonly body: string;
  readonly bytes?: Buffer;
  /** Extra headers, name (lower case) and value in turn. */
  readonly headers?: readonly string[];
  /** ResponseFlag bits. */
  readonly flags: number;
  /** `response_code_details`. */
  readonly details: string;
  /** The route's `headers.response` is not for this reply (Envoy: the answer to a CORS preflight). */
  readonly withoutRouteHeaders?: boolean;
  /** The grpc-status a gRPC request is told instead of the one `status` stands for. */
  readonly grpcStatus?: number;
  /** The connection must close after this reply, whatever the body's state. */
  readonly close?: boolean;
}
