/** httpGet: the kubelet's request passed on to the application, whose status is the answer. */

import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { failure, hostAndPort, reasonOf, SUCCESS, type ProbeOutcome, type ProbeTarget } from './outcome.ts';
import type { HttpProbe } from './probes.ts';

/** What the kubelet keeps of a probe's body. */
const LONGEST_BODY_BYTES = 10 * 1024;
const MOST_REDIRECTS = 10;

/** These concern the connection, or what we make anew. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(['accept-encoding', 'connection', 'content-length', 'expect', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

/**
 * As the kubelet probes: the certificate is not checked, a redirect on the same host is followed and one elsewhere is a
 * success, each probe has a connection of its own. `ownPort` in the Host gives way to the application's.
 */
export async function probeHttp(target: ProbeTarget, probe: HttpProbe, headers: IncomingHttpHeaders, ownPort: number): Promise<ProbeOutcome> {
  const { Agent } = await import('undici');
  const { localAddress } = target;
  const agent = new Agent({ allowH2: false, pipelining: 0, connect: { rejectUnauthorized: false, timeout: probe.timeoutMs }, ...(localAddress === undefined ? {} : { localAddress }) });
  try {
    return await follow(agent, new URL(`${probe.scheme}://${hostAndPort(target.address, target.port)}${probe.path}`), passedOn(headers, ownPort, target.port), AbortSignal.timeout(probe.timeoutMs));
  } catch (error) {
    return failure(`GET ${probe.path} on port ${probe.port}: ${reasonOf(error)}`);
  } finally {
    await agent.destroy();
  }
}

type Headers = Record<string, string | string[]>;

async function follow(agent: Dispatcher, first: URL, headers: Headers, signal: AbortSignal): Promise<ProbeOutcome> {
  let url = first;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await agent.request({ origin: url.origin, path: `${url.pathname}${url.search}`, method: 'GET', headers, reset: true, signal });
    const { statusCode } = response;
    const body = await beginningOf(response.body);
    if (statusCode < 300 || statusCode >= 400) return { status: statusCode, body };
    const { location } = response.headers;
    const next = typeof location === 'string' && URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    // A redirect needs a Location, which would send the kubelet there: pilot-agent answers 200 too.
    if (next === undefined || next.hostname !== first.hostname || !/^https?:$/.test(next.protocol)) return SUCCESS;
    // One without a host stays with the virtual host that was asked.
    if (typeof location === 'string' && URL.canParse(location)) headers['host'] = next.host;
    url = next;
  }
  return failure(`more than ${MOST_REDIRECTS} redirects`);
}

function passedOn(headers: IncomingHttpHeaders, ownPort: number, port: number): Headers {
  const result: Headers = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined && !NOT_PASSED_ON.has(name)) result[name] = value;
  const { host = '' } = headers;
  const own = `:${ownPort}`;
  result['host'] = host.endsWith(own) ? `${host.slice(0, -own.length)}:${port}` : host;
  return result;
}

async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= LONGEST_BODY_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, LONGEST_BODY_BYTES).toString();
}
