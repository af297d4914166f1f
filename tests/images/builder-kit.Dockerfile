# The second builder of approved Dockerfiles in the test cluster.
FROM scratch
COPY root/ /
ENTRYPOINT ["/usr/bin/buildkitd"]
