/** Holds `outrider explain` to what the proxy really did: both must come from the same decisions. */

import { runExplain } from '../../proxy/cli/explain.ts';
import type { Explanation } from '../../proxy/cli/explain/explanation.ts';

export interface ExplainedRequest {
  /** Options of `run` that say for whom. */
  readonly options: readonly string[];
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the proxy answered. */
export interface Happened {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
  /** Port of the upstream that answered; undefined where the proxy did. */
  readonly upstreamPort: number | undefined;
}

/** Where the explanation and what happened differ, in a sentence; undefined where they agree. */
export async function explainMismatch({ options, method, url, headers }: ExplainedRequest, happened: Happened): Promise<string | undefined> {
  const given = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  let text = '';
  const code = await runExplain([...options, ...given, '--json', method, url], { env: {}, stdout: (part) => (text += part), stderr: (part) => (text += part) });
  if (code !== 0) return `explain ends with ${code}: ${text}`;
  const { response, destinations } = JSON.parse(text) as Explanation;
  if (response !== null) return answerMismatch(response, happened, method);
  // A destination that refuses or never answers is nothing that can be told beforehand.
  if (happened.upstreamPort === undefined) return [502, 503, 504].includes(happened.status) ? undefined : `explain forwards, the proxy answered ${happened.status}`;
  const told = destinations.flatMap(({ endpoints, discovery }) => (discovery === 'STATIC' || discovery === 'ORIGINAL_DST' ? endpoints : [`:${happened.upstreamPort}`]));
  return told.some((endpoint) => endpoint.endsWith(`:${happened.upstreamPort}`)) ? undefined : `explain names ${told.join(', ')}, the answer came from port ${happened.upstreamPort}`;
}

function answerMismatch(response: NonNullable<Explanation['response']>, happened: Happened, method: string): string | undefined {
  if (happened.upstreamPort !== undefined) return `explain answers ${response.status} ${response.details}, an upstream answered`;
  if (response.status !== happened.status) return `explain answers ${response.status} ${response.details}, the proxy ${happened.status}`;
  if (response.location !== happened.location) return `explain redirects to ${response.location}, the proxy to ${happened.location}`;
  return method === 'HEAD' || (response.body ?? '') === happened.body ? undefined : `explain answers ${JSON.stringify(response.body)}, the proxy ${JSON.stringify(happened.body)}`;
}
