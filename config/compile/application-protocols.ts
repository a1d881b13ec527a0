/** Names that tell protocols apart: what Istio's sidecars offer each other by ALPN, and what plain bytes are detected as. */

/** Plain bytes that are HTTP. */
export const PLAIN_HTTP: readonly string[] = ['http/1.1', 'h2c'];

/** Offered by a client sidecar whose application spoke HTTP. */
export const MESH_HTTP: readonly string[] = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];

/** Offered by a client sidecar for bytes of any kind. */
const MESH_TCP: readonly string[] = ['istio-peer-exchange', 'istio'];

/** Any client sidecar. */
export const MESH_ANY: readonly string[] = [...MESH_TCP, ...MESH_HTTP];

/** Any client sidecar, where HTTP has been told apart before. */
export const MESH_BYTES = MESH_TCP;

/** What an HTTP server answers: HTTP/2 is not among them, for a client that is offered it speaks it. */
export const OFFERED_HTTP: readonly string[] = ['http/1.1'];

/** What a TCP server answers: nothing, for a client offered `istio-peer-exchange` would send its metadata first. */
export const OFFERED_TCP: readonly string[] = [];
