/** productpage: calls details and reviews through its proxy, renders the page, and remembers who signed in. */

import { json, notFound, propagated } from './app.ts';
import type { AppAnswer, AppHandler, AppRequest, MeshAnswer, MeshCall } from './app.ts';
import { PRODUCTS } from './books.ts';
import type { ReviewsAnswer } from './leaf-services.ts';
import { renderPage, STYLE } from './page.ts';
import type { Hop, PageFacts } from './page.ts';

const USER_COOKIE = 'bookinfo-user';
const USER_SYNTAX = /^[A-Za-z0-9 ._-]{1,40}$/;

export function productPage(podname: string, call: MeshCall): AppHandler {
  return async (request) => {
    const { method, url } = request;
    if (url.pathname === '/productpage') return html(await page(podname, call, request));
    if (url.pathname === '/login' && method === 'POST') return signIn(new URLSearchParams(request.body).get('username') ?? '');
    if (url.pathname === '/logout') return signIn('');
    if (url.pathname === '/static/style.css') return { status: 200, headers: { 'content-type': 'text/css', 'cache-control': 'max-age=60' }, body: STYLE };
    return api(call, request);
  };
}

/** `/api/v1/products`, `/api/v1/products/0`, `/api/v1/products/0/reviews`: what the services themselves answered. */
async function api(call: MeshCall, request: AppRequest): Promise<AppAnswer> {
  const match = /^\/api\/v1\/products(?:\/(\d{1,9})(\/reviews|\/ratings)?)?$/.exec(request.url.pathname);
  if (match === null) return notFound();
  const [, id, part] = match;
  if (id === undefined) return json(PRODUCTS);
  const service = part === undefined ? 'details' : part.slice(1);
  const answer = await call(service, `/${service}/${id}`, onBehalfOf(userOf(request), request));
  return { status: answer.status === 0 ? 502 : answer.status, headers: { 'content-type': 'application/json' }, body: answer.body };
}

async function page(podname: string, call: MeshCall, request: AppRequest): Promise<PageFacts> {
  const user = userOf(request);
  const headers = onBehalfOf(user, request);
  const product = PRODUCTS[0];
  if (product === undefined) throw new Error('the shop is empty');
  const [details, reviews] = await Promise.all([call('details', `/details/${product.id}`, headers), call('reviews', `/reviews/${product.id}`, headers)]);
  const detailsAnswer = read<Record<string, string | number>>(details);
  const reviewsAnswer = read<ReviewsAnswer>(reviews);
  return {
    user,
    product,
    details: detailsAnswer,
    detailsStatus: details.status,
    reviews: reviewsAnswer,
    reviewsStatus: reviews.status,
    requestId: headers['x-request-id'] ?? '',
    hops: [gatewayHop(podname, request), hop(podname, 'details', details, detailsAnswer?.['podname']), hop(podname, 'reviews', reviews, reviewsAnswer?.podname), ...ratingsHop(reviewsAnswer)],
  };
}

/** The gateway is known by what it adds: a sidecar alone writes no x-forwarded-for. */
function gatewayHop(podname: string, { headers }: AppRequest): Hop {
  const proxies = [`${podname}’s proxy`];
  if (headers['x-forwarded-for'] !== undefined) proxies.unshift('ingress gateway');
  return { service: 'productpage', answeredBy: podname, proxies, upstreamMs: '' };
}

function hop(caller: string, service: string, answer: MeshAnswer, podname: string | number | undefined): Hop {
  const proxies = [`${caller}’s proxy`, ...(podname === undefined ? [] : [`${podname}’s proxy`])];
  const answeredBy = podname === undefined ? (answer.status === 0 ? 'nobody' : `a proxy, with status ${answer.status}`) : String(podname);
  return { service, answeredBy, proxies, upstreamMs: String(answer.headers['x-envoy-upstream-service-time'] ?? '') };
}

function ratingsHop(reviews: ReviewsAnswer | undefined): Hop[] {
  if (reviews?.ratings === undefined) return [];
  const { podname, upstreamMs } = reviews.ratings;
  return [{ service: 'ratings', answeredBy: podname, proxies: [`${reviews.podname}’s proxy`, `${podname}’s proxy`], upstreamMs }];
}

function onBehalfOf(user: string, { headers }: AppRequest): Record<string, string> {
  const carried = propagated(headers);
  // Whoever is signed in here decides; a visitor cannot name himself by sending the header.
  delete carried['end-user'];
  return user === '' ? carried : { ...carried, 'end-user': user };
}

/** `?u=jason` for this one page, else who signed in with the form. */
function userOf({ url, headers }: AppRequest): string {
  const asked = url.searchParams.get('u');
  const cookie = new RegExp(`(?:^|;\\s*)${USER_COOKIE}=([^;]*)`).exec(headers.cookie ?? '')?.[1];
  const user = asked ?? decode(cookie ?? '');
  return USER_SYNTAX.test(user) ? user : '';
}

function signIn(user: string): AppAnswer {
  const accepted = USER_SYNTAX.test(user) ? user : '';
  const cookie = `${USER_COOKIE}=${encodeURIComponent(accepted)}; Path=/; HttpOnly; SameSite=Lax${accepted === '' ? '; Max-Age=0' : ''}`;
  return { status: 303, headers: { location: '/productpage', 'set-cookie': cookie }, body: '' };
}

function html(facts: PageFacts): AppAnswer {
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  };
  return { status: 200, headers, body: renderPage(facts) };
}

function read<Body>(answer: MeshAnswer): Body | undefined {
  return answer.status === 200 ? (JSON.parse(answer.body) as Body) : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
