// A container runtime as far as its plugins see one: starts them as runtimes do, which are native programs, and says how
// long each took, from just before it is started until it has ended. Calls come on standard input, answers go to standard
// output (native-runtime.ts); each call has a thread of its own. Ends when standard input does.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_VARIABLES 64
#define MAX_OUTPUT 65536

// All numbers in the machine's order. Behind it are `texts` bytes: the path and the environment, each ended by a zero
// byte; then `input` bytes for the plugin's standard input.
struct call {
  uint32_t id, texts, input;
};
// Behind it are `output` bytes that the plugin has printed.
struct answer {
  uint32_t id;
  int32_t code;
  uint64_t nanoseconds;
  uint32_t output, padding;
};
struct job {
  struct call call;
  char bytes[];
};

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

static void must(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int read_all(int fd, void *to, size_t length) {
  for (size_t have = 0; have < length;) {
    ssize_t more = read(fd, (char *)to + have, length - have);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return 0;
    have += more;
  }
  return 1;
}

static int write_all(int fd, const void *from, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t more = write(fd, (const char *)from + done, length - done);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return 0;
    done += more;
  }
  return 1;
}

static void *run(void *argument) {
  struct job *job = argument;
  char *environment[MAX_VARIABLES + 1], *end = job->bytes + job->call.texts, *output = malloc(MAX_OUTPUT);
  int count = 0, input[2], printed[2], status;
  pid_t pid;
  posix_spawn_file_actions_t actions;

  for (char *text = job->bytes + strlen(job->bytes) + 1; text < end; text += strlen(text) + 1) {
    must(count < MAX_VARIABLES, "environment");
    environment[count++] = text;
  }
  environment[count] = NULL;
  must(output != NULL, "malloc");

  uint64_t start = now();
  must(pipe2(input, O_CLOEXEC) == 0 && pipe2(printed, O_CLOEXEC) == 0, "pipe2");
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, printed[1], STDOUT_FILENO);
  errno = posix_spawn(&pid, job->bytes, &actions, NULL, (char *[]){job->bytes, NULL}, environment);
  must(errno == 0, job->bytes);
  close(input[0]);
  close(printed[1]);
  // A plugin that does not read what it is given has its reasons; they are in what it prints.
  write_all(input[1], end, job->call.input);
  close(input[1]);
  size_t length = 0;
  for (ssize_t more; length < MAX_OUTPUT && (more = read(printed[0], output + length, MAX_OUTPUT - length)) > 0;)
    length += more;
  must(waitpid(pid, &status, 0) == pid, "waitpid");
  struct answer answer = {
      .id = job->call.id,
      .code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
      .nanoseconds = now() - start,
      .output = length,
  };
  close(printed[0]);
  posix_spawn_file_actions_destroy(&actions);

  pthread_mutex_lock(&writing);
  must(write_all(STDOUT_FILENO, &answer, sizeof answer) && write_all(STDOUT_FILENO, output, length), "write");
  pthread_mutex_unlock(&writing);
  free(output);
  free(job);
  return NULL;
}

int main(void) {
  struct call call;
  pthread_attr_t detached;
  signal(SIGPIPE, SIG_IGN);
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  while (read_all(STDIN_FILENO, &call, sizeof call)) {
    struct job *job = malloc(sizeof *job + call.texts + call.input);
    pthread_t thread;
    must(job != NULL, "malloc");
    job->call = call;
    must(read_all(STDIN_FILENO, job->bytes, call.texts + call.input), "read");
    errno = pthread_create(&thread, &detached, run, job);
    must(errno == 0, "pthread_create");
  }
  return 0;
}
