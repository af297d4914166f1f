# An agent's image whose Dockerfiles try to get out of the build.
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
COPY attempts /bin/attempts
COPY passwd /etc/passwd
USER 1000:1000
CMD ["/bin/busybox", "sleep", "2147483647"]
