# An agent's image for kind: opencode. Not root: the base's user node has uid 1000, the agent's default, and a line in passwd.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
RUN npm install --global --no-audit --no-fund opencode-ai@1.18.33 && npm cache clean --force
USER node
WORKDIR /home/node
