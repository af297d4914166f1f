/* What a hostile step of a Dockerfile tries, one word a line: "open WHAT" when it got out, "shut WHAT" when not.
   attempts HOST:PORT…: TCP to each, by several uids; then sockets, marks and namespaces. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

static void say(int open, const char *what, const char *more) {
  printf("%s %s %s\n", open ? "open" : "shut", what, more);
  fflush(stdout);
}

static int mark_of;

/* Whether a TCP connection is made within two seconds, from a socket with the mark, if there is one to set. */
static int tcp(const char *target) {
  char host[64];
  snprintf(host, sizeof host, "%s", target);
  char *colon = strrchr(host, ':');
  if (!colon) return 0;
  *colon = 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
  inet_pton(AF_INET, host, &to.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (s < 0) return 0;
  if (mark_of) setsockopt(s, SOL_SOCKET, SO_MARK, &mark_of, sizeof mark_of);
  connect(s, (struct sockaddr *)&to, sizeof to);
  struct pollfd p = {.fd = s, .events = POLLOUT};
  int error = 1;
  socklen_t length = sizeof error;
  if (poll(&p, 1, 2000) == 1) getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length);
  close(s);
  return error == 0;
}

/* A question for api.example.com to the name server. */
static int dns(const char *host) {
  static const char question[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3api\7example\3com\0\0\1\0\1";
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
  inet_pton(AF_INET, host, &to.sin_addr);
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  char answer[512];
  sendto(s, question, sizeof question - 1, 0, (struct sockaddr *)&to, sizeof to);
  struct pollfd p = {.fd = s, .events = POLLIN};
  int got = poll(&p, 1, 1000) == 1 && recv(s, answer, sizeof answer, 0) > 0;
  close(s);
  return got;
}

static void in_child(void (*run)(void)) {
  pid_t child = fork();
  if (child == 0) {
    run();
    _exit(0);
  }
  waitpid(child, 0, 0);
}

static void own_namespace(void) {
  int made = unshare(CLONE_NEWUSER) == 0;
  int s = socket(AF_INET, SOCK_STREAM, 0), mark = 0xb0771;
  say(made && setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0, "mark", "in-a-user-namespace");
}

int main(int count, char **targets) {
  static const unsigned uids[] = {0, 1000, 61001, 61002, 61003, 4000000000u};
  for (unsigned at = 0; at < sizeof uids / sizeof *uids; at++) {
    pid_t child = fork();
    if (child == 0) {
      char name[64];
      snprintf(name, sizeof name, "uid-%u", uids[at]);
      if (setresgid(uids[at], uids[at], uids[at]) || setresuid(uids[at], uids[at], uids[at])) {
        say(0, name, "is-not-to-be-had");
        _exit(0);
      }
      for (int one = 1; one < count; one++) say(tcp(targets[one]), name, targets[one]);
      _exit(0);
    }
    waitpid(child, 0, 0);
  }
  mark_of = 0xb0771;
  for (int one = 1; one < count; one++) say(tcp(targets[one]), "marked", targets[one]);
  mark_of = 0;
  char *server = count > 1 ? strdup(targets[1]) : "";
  say(dns(strtok(server, ":")), "dns", "by-udp");
  int s = socket(AF_INET, SOCK_STREAM, 0), mark = 0xb0771;
  say(setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0, "mark", "as-root");
  in_child(own_namespace);
  say(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0, "socket", "raw");
  say(socket(AF_PACKET, SOCK_RAW, 3) >= 0, "socket", "packet");
  say(socket(AF_VSOCK, SOCK_STREAM, 0) >= 0, "socket", "vsock");
  say(socket(AF_NETLINK, SOCK_RAW, 12) >= 0, "socket", "netfilter");
  say(syscall(SYS_io_uring_setup, 1, 0) >= 0 || errno == EFAULT, "io_uring", "");
  say(access("/var/run/secrets/kubernetes.io/serviceaccount/token", F_OK) == 0, "token", "");
  say(access("/run/bottle/registry/config.json", F_OK) == 0, "secret", "push");
  say(access("/proc/1/root/run/bottle/registry/config.json", F_OK) == 0, "secret", "by-proc");
  say(getenv("KUBERNETES_TOKEN") != NULL, "environment", "token");
  return 0;
}
