/*
 * The yardstick of the netlink benchmark: the same requests as plain C on a raw netlink socket.
 * usage: netlink routes|fdb COUNT BATCH IFINDEX; prints the milliseconds that sending took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef NETLINK_EXT_ACK
#define NETLINK_EXT_ACK 11
#endif

static char buffer[1 << 20];
static char answers[1 << 16];

static void attribute(char **at, int type, const void *data, int length) {
  struct rtattr *header = (struct rtattr *)*at;
  header->rta_type = type;
  header->rta_len = RTA_LENGTH(length);
  memcpy(RTA_DATA(header), data, length);
  *at += RTA_ALIGN(header->rta_len);
}

static char *route(char *at, uint32_t index, int ifindex) {
  struct rtmsg *body = (struct rtmsg *)at;
  memset(body, 0, sizeof *body);
  body->rtm_family = AF_INET;
  body->rtm_dst_len = 32;
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_protocol = 200;
  body->rtm_type = RTN_UNICAST;
  at += sizeof *body;
  uint32_t destination = htonl(0x0b000000 + index), gateway = htonl(0x0a000009);
  attribute(&at, RTA_DST, &destination, 4);
  attribute(&at, RTA_GATEWAY, &gateway, 4);
  attribute(&at, RTA_OIF, &ifindex, 4);
  return at;
}

static char *entry(char *at, uint32_t index, int ifindex) {
  struct ndmsg *body = (struct ndmsg *)at;
  memset(body, 0, sizeof *body);
  body->ndm_family = AF_BRIDGE;
  body->ndm_ifindex = ifindex;
  body->ndm_state = NUD_PERMANENT;
  body->ndm_flags = NTF_SELF;
  at += sizeof *body;
  unsigned char address[6] = {2, 0, index >> 24, index >> 16, index >> 8, index};
  uint32_t remote = htonl(0x0afe0002);
  attribute(&at, NDA_LLADDR, address, 6);
  attribute(&at, NDA_DST, &remote, 4);
  return at;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int routes = strcmp(argv[1], "routes") == 0;
  uint32_t count = atoi(argv[2]), batch = atoi(argv[3]);
  int ifindex = atoi(argv[4]), on = 1, size = 1 << 20;
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (fd < 0 || bind(fd, (struct sockaddr *)&kernel, sizeof kernel) < 0) return perror("netlink"), 1;

  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (uint32_t next = 0; next < count;) {
    char *at = buffer;
    uint32_t limit = next + batch < count ? next + batch : count;
    for (; next < limit; next++) {
      struct nlmsghdr *header = (struct nlmsghdr *)at;
      header->nlmsg_type = routes ? RTM_NEWROUTE : RTM_NEWNEIGH;
      header->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | (next == limit - 1 ? NLM_F_ACK : 0);
      header->nlmsg_seq = next + 1;
      header->nlmsg_pid = 0;
      at += NLMSG_HDRLEN;
      at = routes ? route(at, next, ifindex) : entry(at, next, ifindex);
      header->nlmsg_len = at - (char *)header;
    }
    if (sendto(fd, buffer, at - buffer, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return perror("sendto"), 1;
    for (int done = 0; !done;) {
      int length = recv(fd, answers, sizeof answers, 0);
      if (length < 0) return perror("recv"), 1;
      for (struct nlmsghdr *header = (struct nlmsghdr *)answers; NLMSG_OK(header, length);
           header = NLMSG_NEXT(header, length)) {
        struct nlmsgerr *error = NLMSG_DATA(header);
        if (header->nlmsg_type != NLMSG_ERROR) continue;
        if (error->error != 0) return fprintf(stderr, "message %u: %s\n", header->nlmsg_seq, strerror(-error->error)), 1;
        done |= header->nlmsg_seq == limit;
      }
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.3f\n", (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6);
  return 0;
}
