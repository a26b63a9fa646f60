// A bare VTEP, to measure what uvtep adds to the system calls that any VTEP in user space
// makes: one TAP, one remote, no FDB, no learning, no policy, no counters, no control.
// IPv4 underlay; TCP over IPv4 is cut and joined as uvtep does it, all else passes frame
// by frame. It trusts its remote: use it in a laboratory only.
//
//	bare TAP VNI LOCAL REMOTE PORT MTU
//
// It says "bare: ready" on stderr. `go test -run '^$' -bench EndToEnd/Bare ./bench` runs it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ETH = 14, VXLAN = 8, ROOM = 1 << 16, SEGMENTS = 64, HEAD = VXLAN + ETH + 60 + 60, MESSAGES = 8 };

static int tap, out, in;
static uint8_t vxlan[VXLAN] = {8};

// sum adds n bytes of p, as 16-bit words in the order of memory.
static uint64_t sum(const uint8_t *p, size_t n, uint64_t acc) {
	for (; n >= 4; p += 4, n -= 4) {
		uint32_t w;
		memcpy(&w, p, 4);
		acc += w;
	}
	if (n >= 2) {
		uint16_t w;
		memcpy(&w, p, 2);
		acc += w;
		p += 2, n -= 2;
	}
	return n ? acc + *p : acc;
}

static uint16_t fold(uint64_t acc) {
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

// pseudo is the sum of the pseudo-header of a TCP packet of n bytes.
static uint64_t pseudo(const struct iphdr *ip, size_t n) {
	return sum((const uint8_t *)&ip->saddr, 8, 0) + htons(IPPROTO_TCP) + htons(n);
}

static void finish_ip(struct iphdr *ip, size_t n) {
	ip->tot_len = htons(n);
	ip->check = 0;
	ip->check = ~fold(sum((uint8_t *)ip, ip->ihl * 4, 0));
}

// send_pieces cuts the superframe f of n bytes and sends its segments by as few calls as the kernel allows.
static void send_pieces(uint8_t *f, size_t n, const struct virtio_net_hdr *v) {
	struct iphdr *ip = (struct iphdr *)(f + ETH);
	size_t l4 = ETH + ip->ihl * 4, head = l4 + ((struct tcphdr *)(f + l4))->doff * 4, size = v->gso_size;
	static uint8_t heads[SEGMENTS][HEAD];
	struct iovec iov[2 * SEGMENTS];
	size_t most = (65507 / (VXLAN + head + size) < SEGMENTS) ? 65507 / (VXLAN + head + size) : SEGMENTS;
	int k = 0;
	for (size_t at = head, i = 0; at < n; at += size, i++) {
		size_t part = n - at < size ? n - at : size;
		uint8_t *h = heads[k];
		memcpy(h, vxlan, VXLAN);
		memcpy(h + VXLAN, f, head);
		struct iphdr *sip = (struct iphdr *)(h + VXLAN + ETH);
		struct tcphdr *tcp = (struct tcphdr *)(h + VXLAN + l4);
		sip->id = htons(ntohs(ip->id) + i);
		finish_ip(sip, head - ETH + part);
		tcp->seq = htonl(ntohl(tcp->seq) + i * size);
		if (at + part < n)
			tcp->fin = tcp->psh = 0;
		if (i)
			((uint8_t *)tcp)[13] &= 0x7f; // CWR
		tcp->check = 0;
		tcp->check = ~fold(sum(f + at, part, sum((uint8_t *)tcp, head - l4, pseudo(sip, head - l4 + part))));
		iov[2 * k] = (struct iovec){h, VXLAN + head};
		iov[2 * k + 1] = (struct iovec){f + at, part};
		if (++k < (int)most && at + size < n)
			continue;
		char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2 * k, .msg_control = control, .msg_controllen = sizeof control};
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof(uint16_t))};
		*(uint16_t *)CMSG_DATA(c) = VXLAN + head + size;
		(void)sendmsg(out, &m, 0);
		k = 0;
	}
}

_Noreturn static void *from_tap(void *unused) {
	(void)unused;
	static uint8_t buf[sizeof(struct virtio_net_hdr) + ROOM + ETH];
	for (;;) {
		ssize_t n = read(tap, buf, sizeof buf);
		if (n < (ssize_t)(sizeof(struct virtio_net_hdr) + ETH))
			continue;
		struct virtio_net_hdr *v = (struct virtio_net_hdr *)buf;
		uint8_t *f = buf + sizeof *v;
		n -= sizeof *v;
		if ((v->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV4) {
			send_pieces(f, n, v);
			continue;
		}
		if (v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
			uint16_t check = ~fold(sum(f + v->csum_start, n - v->csum_start, 0));
			memcpy(f + v->csum_start + v->csum_offset, &check, 2);
		}
		struct iovec iov[2] = {{vxlan, VXLAN}, {f, n}};
		(void)!writev(out, iov, 2);
	}
}

// run is a superframe in the making: the first segment whole, then payloads.
static struct {
	struct iovec iov[2 + SEGMENTS]; // the virtio header first
	struct virtio_net_hdr v;
	uint8_t *first;
	size_t n, l4, head, size;
	uint32_t next;
	int pieces;
} run;

static void flush(void) {
	if (!run.pieces)
		return;
	if (run.pieces > 1) {
		struct iphdr *ip = (struct iphdr *)(run.first + ETH);
		finish_ip(ip, run.n - ETH);
		((struct tcphdr *)(run.first + run.l4))->check = fold(pseudo(ip, run.n - run.l4));
		run.v = (struct virtio_net_hdr){VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, run.head, run.size, run.l4, offsetof(struct tcphdr, check)};
	}
	run.iov[0] = (struct iovec){&run.v, sizeof run.v};
	(void)!writev(tap, run.iov, 1 + run.pieces);
	memset(&run.v, 0, sizeof run.v);
	run.pieces = 0;
}

// piece takes one datagram.
static void piece(uint8_t *d, size_t n) {
	if (n < VXLAN + ETH || memcmp(d, vxlan, VXLAN))
		return;
	uint8_t *f = d + VXLAN;
	n -= VXLAN;
	struct iphdr *ip = (struct iphdr *)(f + ETH);
	size_t l4 = ETH + 20;
	struct tcphdr *tcp = (struct tcphdr *)(f + l4);
	int plain = n > l4 + 20 && f[12] == 8 && !f[13] && ip->ihl == 5 && ip->protocol == IPPROTO_TCP && ntohs(ip->tot_len) == n - ETH &&
		!(ip->frag_off & htons(0x3fff)) && !(((uint8_t *)tcp)[13] & ~0x59) && // but for ACK, PSH, FIN and ECE
		fold(sum((uint8_t *)ip, 20, 0)) == 0xffff && fold(sum(f + l4, n - l4, pseudo(ip, n - l4))) == 0xffff;
	size_t head = plain ? l4 + tcp->doff * 4 : 0, payload = plain && n > head ? n - head : 0;
	if (run.pieces && payload && head == run.head && payload <= run.size && ntohl(tcp->seq) == run.next && run.pieces < SEGMENTS &&
		run.n + payload < ROOM && !memcmp(f, run.first, ETH) && !memcmp(&ip->ttl, &((struct iphdr *)(run.first + ETH))->ttl, 2) &&
		!memcmp(&ip->saddr, &((struct iphdr *)(run.first + ETH))->saddr, 12) && !memcmp(&tcp->ack_seq, &((struct tcphdr *)(run.first + l4))->ack_seq, 4) &&
		!memcmp(tcp + 1, run.first + l4 + 20, head - l4 - 20)) {
		run.iov[1 + run.pieces++] = (struct iovec){f + head, payload};
		run.n += payload, run.next += payload;
		((struct tcphdr *)(run.first + l4))->psh |= tcp->psh;
		((struct tcphdr *)(run.first + l4))->fin |= tcp->fin;
		if (payload < run.size || tcp->psh || tcp->fin)
			flush();
		return;
	}
	flush();
	run.first = f, run.n = n, run.l4 = l4, run.head = head, run.size = payload, run.pieces = 1;
	run.next = payload ? ntohl(tcp->seq) + payload : 0;
	run.iov[1] = (struct iovec){f, n};
	if (!payload || tcp->psh || tcp->fin)
		flush();
}

_Noreturn static void *from_net(void *unused) {
	(void)unused;
	static uint8_t bufs[MESSAGES][ROOM];
	static char controls[MESSAGES][64];
	struct mmsghdr m[MESSAGES];
	struct iovec iov[MESSAGES];
	for (;;) {
		for (int i = 0; i < MESSAGES; i++) {
			iov[i] = (struct iovec){bufs[i], ROOM};
			m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = controls[i], .msg_controllen = sizeof controls[i]};
		}
		int got = recvmmsg(in, m, MESSAGES, MSG_WAITFORONE, NULL);
		for (int i = 0; i < got; i++) {
			size_t n = m[i].msg_len, size = n;
			for (struct cmsghdr *c = CMSG_FIRSTHDR(&m[i].msg_hdr); c; c = CMSG_NXTHDR(&m[i].msg_hdr, c))
				if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
					size = *(int *)CMSG_DATA(c);
			for (size_t at = 0; size && at < n; at += size)
				piece(bufs[i] + at, n - at < size ? n - at : size);
		}
		flush();
	}
}

// udp is a socket of local's port to remote's, or from anywhere where to is 0.
static int udp(const char *local, int port, const char *remote, int to) {
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, buffer = 8 << 20, df = IP_PMTUDISC_DO;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)}, b = {.sin_family = AF_INET, .sin_port = htons(to)};
	if (fd < 0 || inet_pton(AF_INET, local, &a.sin_addr) != 1 || inet_pton(AF_INET, remote, &b.sin_addr) != 1 || bind(fd, (struct sockaddr *)&a, sizeof a))
		err(1, "UDP socket of %s", local);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &df, sizeof df);
	if (!to && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on))
		err(1, "UDP_GRO");
	if (to && connect(fd, (struct sockaddr *)&b, sizeof b))
		err(1, "connect to %s", remote);
	return fd;
}

int main(int n, char **arg) {
	if (n != 7)
		errx(2, "usage: bare TAP VNI LOCAL REMOTE PORT MTU");
	uint32_t vni = htonl(atoi(arg[2]) << 8);
	memcpy(vxlan + 4, &vni, 4);
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	strncpy(r.ifr_name, arg[1], IFNAMSIZ - 1);
	if ((tap = open("/dev/net/tun", O_RDWR)) < 0 || ioctl(tap, TUNSETIFF, &r) || ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN))
		err(1, "TAP %s", arg[1]);
	in = udp(arg[3], atoi(arg[5]), arg[4], 0);
	out = udp(arg[3], 0, arg[4], atoi(arg[5]));
	r.ifr_mtu = atoi(arg[6]);
	if (ioctl(in, SIOCSIFMTU, &r))
		err(1, "MTU of %s", arg[1]);
	r.ifr_flags = IFF_UP;
	if (ioctl(in, SIOCSIFFLAGS, &r))
		err(1, "set %s up", arg[1]);
	pthread_t threads[2];
	if (pthread_create(&threads[0], NULL, from_tap, NULL) || pthread_create(&threads[1], NULL, from_net, NULL))
		errx(1, "threads");
	(void)!write(2, "bare: ready\n", 12);
	pthread_join(threads[0], NULL);
	return 0;
}
