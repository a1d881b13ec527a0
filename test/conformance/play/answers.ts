/** Splits what a client received into answers, by their own framing and nothing else. */

export interface Answer {
  readonly status: number;
  readonly statusLine: string;
  /** Lower-case name → values joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** Header lines as they came. */
  readonly lines: readonly string[];
  readonly body: string;
  /** Promised more than came, or had no end by itself. */
  readonly cut: boolean;
}

/** `bodyless`: the first final answer is one to HEAD. Bytes that are no answer become one with status 0. */
export function parseAnswers(received: string, ended: boolean, bodyless: boolean): Answer[] {
  const answers: Answer[] = [];
  let rest = received;
  let headOnly = bodyless;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0 || !rest.startsWith('HTTP/1.1 ')) {
      if (ended || !'HTTP/1.1 '.startsWith(rest.slice(0, 9))) answers.push(garbage(rest));
      return answers;
    }
    const head = rest.slice(0, end);
    const [body, after, cut] = splitBody(head, rest.slice(end + 4), headOnly);
    if (cut && !ended) return answers;
    const answer = { ...parseHead(head), body, cut };
    answers.push(answer);
    if (answer.status >= 200) headOnly = false;
    rest = after;
  }
  return answers;
}

function parseHead(head: string): Omit<Answer, 'body' | 'cut'> {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { status: Number(statusLine.slice(9, 12)), statusLine, headers, lines };
}

/** `[body, rest, cut]`. */
function splitBody(head: string, text: string, headOnly: boolean): [string, string, boolean] {
  const status = Number(head.slice(9, 12));
  if (headOnly && status >= 200) return ['', text, false];
  if (status < 200 || status === 204 || status === 304) return ['', text, false];
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return splitChunked(text);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) return [text, '', true];
  const bytes = Number(length);
  return [text.slice(0, bytes), text.slice(bytes), text.length < bytes];
}

function splitChunked(text: string): [string, string, boolean] {
  let body = '';
  let rest = text;
  for (;;) {
    const [line, size] = /^([0-9a-f]+)\r\n/i.exec(rest) ?? [];
    if (line === undefined || size === undefined) return [body, '', true];
    const bytes = parseInt(size, 16);
    const chunk = rest.slice(line.length, line.length + bytes);
    body += chunk;
    rest = rest.slice(line.length + bytes);
    if (bytes === 0) return splitTrailers(body, rest);
    if (!rest.startsWith('\r\n')) return [body, '', true];
    rest = rest.slice(2);
  }
}

function splitTrailers(body: string, rest: string): [string, string, boolean] {
  if (rest.startsWith('\r\n')) return [body, rest.slice(2), false];
  const end = rest.indexOf('\r\n\r\n');
  return end < 0 ? [body, '', true] : [body, rest.slice(end + 4), false];
}

function garbage(text: string): Answer {
  return { status: 0, statusLine: text.slice(0, 80), headers: {}, lines: [], body: text, cut: true };
}
