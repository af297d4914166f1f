# An agent's image for kind: copilot. Not root: the base's user node has uid 1000, the agent's default, and a line in passwd.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
RUN npm install --global --no-audit --no-fund @github/copilot@1.0.102 && npm cache clean --force
USER node
WORKDIR /home/node
