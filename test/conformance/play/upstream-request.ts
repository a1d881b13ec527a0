/** Finds the end of a request the way a lenient server would: what a smuggled request is aimed at. */

export interface SeenRequest {
  readonly line: string;
  readonly complete: boolean;
  /** Bytes after the request, when it is complete. */
  readonly rest: string;
}

/** Undefined while the head is not complete. */
export function readRequest(pending: string): SeenRequest | undefined {
  const end = pending.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = pending.slice(0, end);
  const line = head.slice(0, Math.max(0, head.indexOf('\r\n')) || head.length);
  const after = pending.slice(end + 4);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const length = chunkedLength(after);
    return { line, complete: length >= 0, rest: after.slice(Math.max(0, length)) };
  }
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return { line, complete: after.length >= length, rest: after.slice(length) };
}

/** Length of a whole chunked body; -1 while it is not whole. */
function chunkedLength(text: string): number {
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const size = parseInt(text.slice(at, lineEnd), 16);
    if (size > 0) {
      at = lineEnd + 2 + size + 2;
      if (text.length < at) return -1;
      continue;
    }
    if (text.startsWith('\r\n', lineEnd + 2)) return lineEnd + 4;
    const trailersEnd = text.indexOf('\r\n\r\n', lineEnd);
    return trailersEnd < 0 ? -1 : trailersEnd + 4;
  }
}
