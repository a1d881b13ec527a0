/** `extensionProviders[]`: a name and one provider, whose own fields are known by name here and read by whoever uses it. */

import { list, object, text } from '../schema.ts';
import type { Schema, Shape } from '../schema.ts';
import { withUnread } from '../unread-fields.ts';
import type { ExtensionProvider } from './types.ts';

const service = ['service', 'port'];
const externalAuthorizer = [...service, 'timeout', 'failOpen', 'statusOnError', 'clearRouteCache', 'includeRequestBodyInCheck'];
const accessLogService = [...service, 'logName', 'filterStateObjectsToLog'];

/** The oneof: provider → fields of its message. */
const providerFields: Readonly<Record<string, readonly string[]>> = {
  envoyExtAuthzHttp: [
    ...externalAuthorizer, 'pathPrefix', 'includeHeadersInCheck', 'includeRequestHeadersInCheck', 'includeAdditionalHeadersInCheck',
    'headersToUpstreamOnAllow', 'headersToDownstreamOnDeny', 'headersToDownstreamOnAllow',
  ],
  envoyExtAuthzGrpc: externalAuthorizer,
  zipkin: [...service, 'maxTagLength', 'enable64bitTraceId', 'path', 'traceContextOption', 'timeout', 'headers'],
  lightstep: [...service, 'accessToken', 'maxTagLength'],
  datadog: [...service, 'maxTagLength'],
  stackdriver: ['debug', 'maxNumberOfAttributes', 'maxNumberOfAnnotations', 'maxNumberOfMessageEvents', 'maxTagLength', 'logging'],
  opencensus: [...service, 'context', 'maxTagLength'],
  skywalking: [...service, 'accessToken'],
  opentelemetry: [...service, 'maxTagLength', 'http', 'grpc', 'resourceDetectors', 'dynatraceSampler', 'serviceAttributeEnrichment'],
  prometheus: [],
  envoyFileAccessLog: ['path', 'logFormat', 'omitEmptyValues'],
  envoyHttpAls: [...accessLogService, 'additionalRequestHeadersToLog', 'additionalResponseHeadersToLog', 'additionalResponseTrailersToLog'],
  envoyTcpAls: accessLogService,
  envoyOtelAls: [...service, 'logName', 'logFormat'],
  sds: ['name', ...service],
};

interface WrittenProvider {
  readonly name: string;
}

const providers = Object.keys(providerFields);

const written: Schema<WrittenProvider> = object<WrittenProvider>(providerShape(), {
  required: ['name'],
  check: (provider, report) => {
    const found = providers.filter((kind) => Object.hasOwn(provider, kind));
    if (provider.name === '') report.error(['name'], 'must not be empty');
    if (found.length === 0) report.error([], `needs one provider: ${providers.join(', ')}`);
    if (found.length > 1) report.error([found[1]!], `only one provider may be set, got ${found.join(' and ')}`);
  },
});

export const extensionProviders: Schema<readonly ExtensionProvider[]> = list(written.transform(toProvider), {
  check: (entries, report) => {
    const seen = new Set<string>();
    for (const [index, { name }] of entries.entries()) {
      if (seen.has(name)) report.error([index, 'name'], `the name ${JSON.stringify(name)} is used twice`);
      seen.add(name);
    }
  },
});

function providerShape(): Shape<WrittenProvider> {
  const settings = Object.fromEntries(providers.map((kind) => [kind, object<object>(withUnread<object>({}, providerFields[kind]!))]));
  return { ...settings, name: text };
}

function toProvider(provider: WrittenProvider): ExtensionProvider {
  const found = Object.entries(provider).find(([field]) => providers.includes(field));
  if (found === undefined) return { name: provider.name };
  const [kind, settings] = found as [string, unknown];
  return { name: provider.name, kind, settings };
}
