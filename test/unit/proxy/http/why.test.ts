/** Sentences about TLS towards upstreams: which check failed, and who asked for TLS. */

import t from 'tap';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { whySentence } from '../../../../proxy/http/why.ts';
import { ResponseFlag } from '../../../../proxy/stream/response-flags.ts';
import { Cluster } from '../../../../proxy/upstream/cluster.ts';
import { TestClock } from '../../../support/clock.ts';
import { completedStream, type StreamChanges } from '../../../support/completed-stream.ts';
import { clusterOf } from '../../../support/data-path.ts';

const ORIGIN = { resource: 'DestinationRule default/reviews', file: 'rules.yaml', line: 7 };

function sentence(info: StreamChanges['info'] & object, origin: typeof ORIGIN | 'default'): string | undefined {
  // Nothing is connected to; only where its settings were written is asked.
  const cluster = new Cluster(clusterOf('outbound|9080||reviews', 1, { tls: { mode: 'DISABLE', origin } }), { clock: createEventClock(new TestClock()), random: () => 0, resolver: async () => [] });
  const failed = { responseCode: 503, flags: ResponseFlag.UpstreamConnectionFailure, details: 'upstream_reset_before_response_started{remote_connection_failure}', routeName: 'default', ...info };
  return whySentence(completedStream({ info: failed }), { virtualHost: undefined, cluster });
}

t.test('the check that failed', async (t) => {
  const reason = 'TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end';
  const expired = 'certificate of spiffe://a expired at 2026-01-01T00:00:00Z';
  const place = '503 for GET reviews:9080/reviews/0?u=1: route default: 10.0.0.1:9080 of outbound|9080||reviews';
  t.equal(sentence({ transportFailureReason: reason, transportFailureSentence: expired }, ORIGIN), `${place}: ${expired} (DestinationRule default/reviews, rules.yaml:7)`);
  t.equal(sentence({ transportFailureReason: reason, transportFailureSentence: expired }, 'default'), `${place}: ${expired}`);
  t.equal(sentence({ transportFailureReason: 'delayed connect error: Connection refused' }, ORIGIN), `${place}: delayed connect error: Connection refused`, 'TLS has nothing to do with it');
});
