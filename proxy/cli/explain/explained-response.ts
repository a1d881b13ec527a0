/** What the proxy itself answers, as the request's sender gets it. */

import { localResponse } from '../../http/local-replies.ts';
import type { LocalReply } from '../../stream/local-reply.ts';
import { renderResponseFlags } from '../../stream/response-flags.ts';
import type { ExplainedResponse } from './explanation.ts';

/** `grpc`: to a gRPC call, which is told everything in headers, under status 200. */
export function explainReply(reply: LocalReply, grpc: boolean): ExplainedResponse {
  const { head, body } = localResponse(reply, grpc);
  const location = head.headers.get('location');
  const status = head.headers.get('grpc-status');
  const message = head.headers.get('grpc-message');
  return {
    status: head.status,
    flag: renderResponseFlags(reply.flags),
    details: reply.details,
    ...(location !== undefined && { location }),
    ...(body !== undefined && { body: body.toString('utf8') }),
    ...(grpc && status !== undefined && { grpcStatus: Number(status) }),
    ...(grpc && message !== undefined && { grpcMessage: decodeURIComponent(message) }),
  };
}
