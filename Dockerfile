# One image for both services: CMD starts the gateway, `node messaging/server.ts` the messaging service.
# It runs as an unprivileged user and needs no writable file system: `docker run --read-only`.

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

FROM node:26-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY shared ./shared
COPY engine ./engine
COPY gateway ./gateway
COPY messaging ./messaging
COPY bin/admin.ts bin/healthcheck.ts ./bin/
# A number, so that a platform can see it is not root without reading /etc/passwd.
USER 10001:10001
# Gateway, its admin port, messaging, its admin port.
EXPOSE 8080 9080 8081 9081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["node", "bin/healthcheck.ts"]
CMD ["node", "gateway/server.ts"]
