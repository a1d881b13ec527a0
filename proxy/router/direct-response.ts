/** VirtualService `directResponse`: the answer is fixed, so it is built once and shared by every request. */

import type { DirectResponseAction } from '../../config/runtime/route.ts';
import type { LocalReply } from '../stream/local-reply.ts';

/** Status and body as configured; no flag, details `direct_response` (Envoy). The writer adds content-type and length. */
export function createDirectResponse(action: DirectResponseAction): LocalReply {
  const reply = { status: action.status, flags: 0, details: 'direct_response' };
  if (action.body === undefined || action.body === '') return { ...reply, body: '' };
  if (action.encoding === 'base64') return { ...reply, body: '', bytes: Buffer.from(action.body, 'base64') };
  return { ...reply, body: action.body };
}
