// The CNI plugin: carries a call to the host agent and its answer back (src/app/plugin-protocol.ts says how). A runtime
// starts it for every pod, so it has to cost nothing; everything that can be wrong is told by the agent.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef DEFAULT_SOCKET
#define DEFAULT_SOCKET "/run/outboard/cni.sock"
#endif
// Longer than the agent ever takes, shorter than kubelet waits.
#define ANSWER_SECONDS 115

extern char **environ;

// CNI error 11: the runtime is to try again later.
static int give_up(const char *doing, const char *path) {
  const char *why = errno == EAGAIN ? "no answer in time" : strerror(errno);
  printf("{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"%s the Outboard host agent at ", doing);
  // As JSON has it: whoever set the path may have quoted it twice.
  for (; *path; path++)
    printf(strchr("\"\\", *path) || (unsigned char)*path < ' ' ? "\\u%04x" : "%c", *path);
  printf(": %s\"}", why);
  return 1;
}

static int is_for_agent(const char *variable) {
  return !strncmp(variable, "CNI_", 4) || !strncmp(variable, "TRACE", 5) || !strncmp(variable, "BAGGAGE=", 8);
}

int main(void) {
  const char *path = getenv("OUTBOARD_CNI_SOCKET");
  if (!path || !*path) path = DEFAULT_SOCKET;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval patience = {.tv_sec = ANSWER_SECONDS};
  static char call[65536];
  char buffer[16384];
  ssize_t length;

  errno = ENAMETOOLONG;
  if (strlen(path) >= sizeof address.sun_path) return give_up("cannot reach", path);
  strcpy(address.sun_path, path);
  int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (agent < 0 || setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
      connect(agent, (struct sockaddr *)&address, sizeof address) < 0)
    return give_up("cannot reach", path);

  // An agent that goes away is an error like others.
  signal(SIGPIPE, SIG_IGN);
  // All at once, so that the agent is woken once.
  FILE *question = fdopen(dup(agent), "w");
  if (!question || setvbuf(question, call, _IOFBF, sizeof call)) return give_up("cannot ask", path);
  for (char **variable = environ; *variable; variable++)
    if (is_for_agent(*variable)) fwrite(*variable, 1, strlen(*variable) + 1, question);
  fputc('\0', question);
  while ((length = read(STDIN_FILENO, buffer, sizeof buffer)) > 0) fwrite(buffer, 1, length, question);
  if (fflush(question) || ferror(question)) return give_up("cannot ask", path);
  shutdown(agent, SHUT_WR);

  FILE *answer = fdopen(agent, "r");
  int code;
  errno = 0;
  if (!answer || fscanf(answer, "%d", &code) != 1 || fgetc(answer) != '\n') {
    if (errno == 0) errno = ECONNRESET;
    return give_up("no answer of", path);
  }
  while ((length = fread(buffer, 1, sizeof buffer, answer)) > 0) fwrite(buffer, 1, length, stdout);
  return code;
}
