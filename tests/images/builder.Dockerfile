# What builds approved Dockerfiles in the test cluster.
FROM scratch
COPY root/ /
ENTRYPOINT ["/usr/bin/buildah"]
