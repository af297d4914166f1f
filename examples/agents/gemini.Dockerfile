# An agent's image for kind: gemini. Not root: the base's user node has uid 1000, the agent's default, and a line in passwd.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
RUN npm install --global --no-audit --no-fund @google/gemini-cli@0.61.0 && npm cache clean --force
USER node
WORKDIR /home/node
