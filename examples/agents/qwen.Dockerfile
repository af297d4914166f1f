# An agent's image for kind: qwen. Not root: the base's user node has uid 1000, the agent's default, and a line in passwd.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
RUN npm install --global --no-audit --no-fund @qwen-code/qwen-code@0.24.4 && npm cache clean --force
USER node
WORKDIR /home/node
