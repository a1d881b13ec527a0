# syntax=docker/dockerfile:1
# One image for the proxy and for the init container that redirects traffic to it. Two stages: the first compiles, the
# second holds what they need at run time and nothing else. test/integration/image.test.ts walks these steps.
ARG NODE_VERSION=24

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY proxy ./proxy
COPY filters ./filters
COPY iptables ./iptables
COPY config ./config
RUN npx tsc -p tsconfig.json --sourceMap false && npm prune --omit=dev && rm -rf dist/.tsbuildinfo

FROM node:${NODE_VERSION}-bookworm-slim
# iptables and ip are for the init container; npm and yarn are for nobody.
RUN apt-get update \
 && apt-get install -y --no-install-recommends iptables iproute2 \
 && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /opt/yarn* /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn*
WORKDIR /outrider
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
# Istio's proxy user: its traffic is what the interception rules leave alone.
USER 1337:1337
ENV NODE_ENV=production
EXPOSE 15001 15006 15021 15090
ENTRYPOINT ["node", "/outrider/dist/proxy/main.js"]
CMD ["run", "--config", "/etc/outrider"]
