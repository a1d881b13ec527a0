/** Names that an injected pod is known by: Istio's own, which its tools look for. */

/** The proxy's container, and the one that redirects traffic. */
export const PROXY_CONTAINER = 'istio-proxy';
export const INIT_CONTAINER = 'istio-init';
/** Lists what was added. */
export const STATUS_ANNOTATION = 'sidecar.istio.io/status';
