/** An explanation as text for people: the path of the request from top to bottom, then every policy and where it is from. */

import { grpcStatusName } from '../../telemetry/grpc-status.ts';
import type { ExplainedCertificate, ExplainedConnection, ExplainedDestination, ExplainedPolicy, ExplainedResponse, Explanation, Source, TriedRoute } from './explanation.ts';

export function renderExplanation(explanation: Explanation): string {
  const { request, workload } = explanation;
  const sections = [
    [`${request.method} ${request.scheme}://${request.authority}${request.path}`, `as ${workload.mode} of ${workload.namespace}/${workload.name}`],
    renderPath(explanation),
    renderRoutes(explanation),
    renderOutcome(explanation),
    renderPolicies(explanation),
  ];
  return `${sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function renderPath({ listener, connection, destinationPort, routeTable, virtualHost, virtualService, route, request }: Explanation): string[] {
  const rows: [string, string][] = [['listener', listener === null ? 'none' : `${listener.name} on ${listener.address}:${listener.port}${from(listener.source)}`]];
  if (connection !== undefined) rows.push(...renderConnection(connection));
  if (destinationPort !== null) rows.push(['destination port', `${destinationPort.port} (${destinationPort.because})`]);
  const reads = listener !== null && (connection === undefined || routeTable !== null);
  if (reads) rows.push(['route table', routeTable ?? 'none']);
  if (reads) rows.push(['virtual host', virtualHost === null ? `none answers to ${request.authority}` : `${virtualHost.name}${matchedBy(virtualHost.domain)}`]);
  if (listener !== null && !reads && route !== null) rows.push(['TCP route', `${route.name}${route.file === null ? '' : `  ${route.file}:${route.line ?? 0}`}`]);
  if (virtualHost !== null) rows.push(['VirtualService', `${virtualService ?? 'none, plain service routing'}${virtualService === null ? '' : at(virtualHost.source)}`]);
  return columns(rows);
}

function renderConnection({ transport, serverName, filterChain, tls }: ExplainedConnection): [string, string][] {
  const rows: [string, string][] = [];
  if (transport === 'tls') rows.push(['server name', serverName ?? 'none: the URL has an address']);
  rows.push(['filter chain', filterChain === null ? 'none matches' : `${filterChain.name}${at(filterChain.source)}`]);
  if (tls === null) return rows;
  rows.push(['TLS', `${tls.mode}, ${tls.minVersion} to ${tls.maxVersion}${at(tls.source)}`]);
  for (const certificate of tls.certificates) rows.push(['certificate', certificateText(certificate)]);
  if (tls.clientCertificate !== 'none') rows.push(['client certificate', `${tls.clientCertificate}${tls.authorities === undefined ? '' : `, verified with ${certificateText(tls.authorities)}`}${tls.subjectAltNames === undefined ? '' : `, for ${tls.subjectAltNames.join(' or ')}`}`]);
  return rows;
}

function certificateText({ from: name, source, missing }: ExplainedCertificate): string {
  return missing === true ? `${name}, which is not in the snapshot: handshakes fail` : `${name}${at(source)}`;
}

function matchedBy(domain: string): string {
  if (domain === '*') return ', the catch-all';
  return domain.startsWith('*') ? `, by the wildcard ${domain}` : `, by the name ${domain}`;
}

function renderRoutes({ tried, skipped, route }: Explanation): string[] {
  if (tried.length + skipped.length === 0) return [];
  const width = Math.max(...tried.map((entry) => label(entry).length), ...skipped.map((entry) => entry.route.length));
  const lines = tried.map((entry) => `  ${entry.matched ? '✓' : '✗'} ${label(entry).padEnd(width)}  ${entry.matched ? 'matches' : (entry.failed ?? '')}${at(entry.source)}`);
  if (route === null && tried.length > 0) lines.push('  no route matches');
  const left = skipped.map((entry) => `  - ${entry.route.padEnd(width)}  left out: ${entry.reason}${at(entry.source)}`);
  return ['Routes, in order', ...lines, ...left];
}

/** Place and, where there is one, name. */
function label({ route, place }: TriedRoute): string {
  return place === null || place === route ? route : `${place} ${route}`;
}

function renderOutcome({ destinations, response, upstreamRequest, request }: Explanation): string[] {
  const lines = destinations.flatMap((destination) => renderDestination(destination, destinations));
  const changed = upstreamRequest !== null && (upstreamRequest.path !== request.path || upstreamRequest.authority !== request.authority);
  return [
    ...(lines.length > 0 ? ['Forwarded to', ...lines] : []),
    ...(changed ? [`  as ${upstreamRequest.authority}${upstreamRequest.path}`] : []),
    ...(response === null ? [] : [response.status === 0 ? `No answer: ${response.details}` : `Answered by the proxy: ${renderResponse(response)}`]),
  ];
}

function renderDestination(destination: ExplainedDestination, all: readonly ExplainedDestination[]): string[] {
  const { host, port, subset, weight, cluster, endpoints, workloads, discovery, policies = {}, failure } = destination;
  const total = all.reduce((sum, destination) => sum + destination.weight, 0);
  const share = all.length === 1 ? '' : `${percent(weight, total)}  `;
  const name = host === '' ? cluster : `${host}:${port}${subset === '' ? '' : ` subset ${subset}`}`;
  const lines = [`  ${share}${name}${host === '' ? '' : `  (${cluster})`}`];
  for (const [index, endpoint] of endpoints.entries()) lines.push(`      ${endpoint}${describe(workloads[index] ?? '', discovery)}${place(destination, index)}`);
  lines.push(...columns(Object.entries(policies).map(([name, policy]) => [name, renderPolicy(policy)] as const)).map((line) => `      ${line}`));
  if (failure !== null && all.length > 1) lines.push(`      cannot be reached: ${renderResponse(failure)}`);
  return lines;
}

function describe(workload: string, discovery: string | null): string {
  if (discovery === 'ORIGINAL_DST') return '  where the request was going by itself';
  if (discovery === 'DYNAMIC_DNS') return '  looked up when the request comes';
  if (discovery === 'DNS' || discovery === 'DNS_ROUND_ROBIN') return '  resolved by DNS';
  return workload === '' ? '' : `  ${workload}`;
}

/** Where an endpoint is, when it is picked and how it is spoken to, as far as they are not all alike. */
function place({ localities, priorities, localityWeights, tls }: ExplainedDestination, index: number): string {
  const locality = localities?.[index];
  const parts = [
    ...(locality === undefined ? [] : [locality === '' ? 'locality unknown' : locality]),
    ...(priorities === undefined ? [] : [`priority ${priorities[index] ?? 0}`]),
    ...(localityWeights === undefined ? [] : [`share ${localityWeights[index] ?? 0}`]),
    ...(tls === undefined ? [] : [tls[index] ?? '']),
  ];
  return parts.length === 0 ? '' : `  ${parts.join(', ')}`;
}

function percent(weight: number, total: number): string {
  const share = total === 0 ? 0 : (weight / total) * 100;
  return `${Number(share.toFixed(1))} %`.padStart(6);
}

function renderResponse({ status, flag, details, location, body, grpcStatus, grpcMessage }: ExplainedResponse): string {
  const grpc = grpcStatus === undefined ? '' : `grpc-status ${grpcStatus} (${grpcStatusName(grpcStatus, false) ?? 'unknown'})`;
  const text = body ?? grpcMessage;
  const parts = [`${status}`, flag === '-' ? '' : flag, details, location === undefined ? '' : `location ${location}`, grpc, text === undefined ? '' : JSON.stringify(text)];
  return parts.filter((part) => part !== '').join(', ');
}

function renderPolicies({ policies }: Explanation): string[] {
  if (Object.values(policies).every(({ value }) => value === null)) return ['Policies', '  none applies'];
  const rows = Object.entries(policies).map(([name, policy]) => [name, renderPolicy(policy)] as [string, string]);
  return ['Policies', ...columns(rows).map((line) => `  ${line}`)];
}

function renderPolicy({ value, origin, path, origins = {}, notEnforced }: ExplainedPolicy): string {
  if (value === null) return 'none';
  const members = Object.entries(origins).map(([member, source]) => `, ${member}: ${sourceText(source)}`);
  return `${renderValue(value)}${notEnforced === undefined ? '' : `  (${notEnforced})`}  ${sourceText(origin, path)}${members.join('')}`;
}

function sourceText(origin: Source | 'default', path?: string): string {
  return origin === 'default' ? 'default' : `${origin.resource}${path === undefined ? '' : ` ${path}`} ${origin.file}:${origin.line}`;
}

/** YAML's flow style, which is how one would write it on one line. */
function renderValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(renderValue).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return typeof value === 'string' && !/^[\w./:*%-]+$/.test(value) ? JSON.stringify(value) : String(value);
  const members = Object.entries(value).map(([key, member]) => `${key}: ${renderValue(member)}`);
  return members.length === 0 ? '{}' : `{${members.join(', ')}}`;
}

function from(source: Source | null): string {
  return source === null ? '' : `, from ${source.resource} ${source.file}:${source.line}`;
}

function at(source: Source | null): string {
  return source === null ? '' : `  ${source.file}:${source.line}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`);
}
