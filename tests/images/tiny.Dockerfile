# The smallest agent: for benchmarks, where the image must not be what is measured.
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
COPY passwd /etc/passwd
USER 1000:1000
CMD ["/bin/busybox", "sleep", "2147483647"]
