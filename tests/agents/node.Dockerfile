# Stands for node:24-bookworm-slim where there is no registry of images: node, npm, and the user node with uid 1000.
ARG BASE
FROM ${BASE}
USER root
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && \
    groupmod --new-name node agent && usermod --login node --home /home/node --move-home agent
WORKDIR /
