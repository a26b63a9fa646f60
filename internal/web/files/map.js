// The map: links on the left, remotes on the right, lines where there is traffic. Few remotes have
// their addresses beside them; of many, which are dots, those with most traffic.

import { el, heard, rate, rates, short, text } from "./text.js";

const svgNS = "http://www.w3.org/2000/svg";
const map = { nodes: new Map(), edges: [], order: [], at: "" };
const mostBoxes = 24, mostEdges = 150, fewEdges = 40, silentAfter = 30;

// remotesOf are the remotes of all links, each once, with the links that have them.
export function remotesOf(s) {
	const all = new Map();
	const sum = (a, b) => { for (const k of ["packets", "dropped", "pps", "bps"]) a[k] += (b && b[k]) || 0; };
	for (const l of s.links) {
		for (const r of l.remotes) {
			let m = all.get(r.dst);
			if (!m) {
				m = { dst: r.dst, heard: r.heard, configured: false, entries: 0, links: [], rx: { packets: 0, dropped: 0, pps: 0, bps: 0 }, tx: { packets: 0, dropped: 0, pps: 0, bps: 0 } };
				all.set(r.dst, m);
			}
			if (r.heard !== undefined && (m.heard === undefined || r.heard < m.heard)) m.heard = r.heard;
			m.configured = m.configured || !!r.configured;
			m.entries += r.entries || 0;
			m.links.push({ name: l.name, rx: r.rx || {}, tx: r.tx || {} });
			sum(m.rx, r.rx);
			sum(m.tx, r.tx);
		}
	}
	return [...all.values()];
}

const traffic = (r) => (r.rx.bps || 0) + (r.tx.bps || 0);
const stateOf = (r) => r.heard === undefined ? "never" : r.heard >= silentAfter ? "silent" : "heard";

function shape(tag, cls) {
	const n = document.createElementNS(svgNS, tag);
	if (cls) n.setAttribute("class", cls);
	return n;
}

function attrs(n, values) {
	for (const k in values) {
		const v = String(values[k]);
		if (n.getAttribute(k) !== v) n.setAttribute(k, v);
	}
}

// layout is where all is: boxes of links, dots of remotes, and how high that is.
function layout(s, width) {
	const links = s.links.slice(0, mostBoxes), remotes = remotesOf(s);
	const boxW = Math.min(150, Math.max(96, width * .28)), left = boxW + Math.max(36, width * (width > 640 ? .3 : .14)), room = width - left - 8;
	const labelled = remotes.length <= 24;
	const busiest = new Set(labelled ? remotes : [...remotes].sort((a, b) => traffic(b) - traffic(a)).slice(0, 8).filter((r) => traffic(r) > 0));
	const step = labelled ? 30 : remotes.length > 400 ? 14 : 20;
	const columns = labelled ? 1 : Math.max(1, Math.floor(room / step));
	const lines = Math.ceil(remotes.length / columns);
	const height = Math.max(links.length * 34, lines * step, 60) + 16;
	const down = (n, of, h) => (height - of * h) / 2 + n * h + h / 2;
	const boxes = links.map((l, i) => ({ kind: "link", name: l.name, link: l, x: 4, y: down(i, links.length, 34), w: boxW }));
	const dots = remotes.map((r, i) => ({
		kind: "remote", name: r.dst, remote: r, x: left + (i % columns) * step + step / 2, y: down(Math.floor(i / columns), lines, step),
		r: labelled ? 6 : step > 14 ? 5 : 4, label: labelled, big: busiest.has(r), step, columns,
	}));
	return { boxes, dots, height, busiest: labelled ? [] : [...busiest], width };
}

function describe(n, seconds) {
	if (n.kind === "link") {
		return "Link " + n.name + ", " + (n.link.up ? "up" : "down") + ", received " + rates(n.link.rx, seconds) + ", sent " + rates(n.link.tx, seconds);
	}
	return "Remote " + n.name + ", heard " + heard(n.remote.heard) + ", received " + rates(n.remote.rx, seconds) + ", sent " + rates(n.remote.tx, seconds);
}

function cut(label, width) {
	const most = Math.max(6, Math.floor(width / 7.4));
	return label.length > most ? label.slice(0, most - 5) + "…" + label.slice(-4) : label;
}

function newNode(n, pick) {
	const g = shape("g", "node");
	attrs(g, { role: "button", tabindex: -1 });
	if (n.kind === "link") {
		g.append(shape("rect", "box"), shape("rect", "ring"), shape("text"), shape("text", "rate"));
	} else {
		g.append(shape("rect", "ring"), shape("path", "dot"), shape("text"), shape("text", "rate"));
	}
	g.addEventListener("click", () => { map.at = g.key; pick(n.kind, n.name, false); g.focus(); });
	return g;
}

function placeLink(g, n, seconds) {
	const [box, ring, name, rate2] = g.children, r = { x: n.x, y: n.y - 14, width: n.w, height: 28, rx: 6 };
	attrs(box, r);
	attrs(ring, r);
	attrs(name, { x: n.x + 8, y: n.y - 1 });
	attrs(rate2, { x: n.x + 8, y: n.y + 10 });
	text(name, cut(n.name, n.w - 10) + (n.link.up ? "" : " down"));
	text(rate2, seconds ? "↓" + short(n.link.rx.bps || 0) + " ↑" + short(n.link.tx.bps || 0) : "");
}

function placeRemote(g, n, seconds, width) {
	const [ring, dot, name, rate2] = g.children, state = stateOf(n.remote), r = n.r;
	const d = state === "silent" ? `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z` : `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
	attrs(dot, { class: "dot " + state, d, transform: `translate(${n.x.toFixed(1)} ${n.y.toFixed(1)})` });
	const half = Math.min(n.step, 24) / 2;
	attrs(ring, { x: n.x - half, y: n.y - half, width: n.label ? width - n.x + half - 4 : 2 * half, height: 2 * half, rx: 5 });
	attrs(name, { x: n.x + 14, y: n.y });
	attrs(rate2, { x: n.x + 14, y: n.y + 11 });
	text(name, n.label ? cut(n.name, width - n.x - 20) : "");
	text(rate2, n.label && seconds ? "↓" + short(n.remote.rx.bps) + " ↑" + short(n.remote.tx.bps) : "");
}

// drawMap shows s; pick is told what is chosen.
export function drawMap(s, chosen, pick) {
	const svg = el("map"), width = Math.max(260, el("map-box").clientWidth);
	const at = layout(s, width), nodes = [...at.boxes, ...at.dots];
	attrs(svg, { viewBox: `0 0 ${width} ${at.height}`, height: at.height });
	drawEdges(svg, at);
	const now = new Map();
	map.order = [];
	for (const n of nodes) {
		let key = n.kind + " " + n.name;
		while (now.has(key)) key += " again";
		let g = map.nodes.get(key);
		if (!g) {
			g = newNode(n, pick);
			g.key = key;
		}
		if (!g.parentNode) svg.append(g);
		now.set(key, g);
		map.order.push({ key, g, x: n.x, y: n.y, kind: n.kind });
		if (n.kind === "link") placeLink(g, n, s.seconds); else placeRemote(g, n, s.seconds, width);
		attrs(g, { "aria-label": describe(n, s.seconds), "aria-pressed": !!chosen && chosen.kind === n.kind && chosen.name === n.name });
	}
	for (const [key, g] of map.nodes) if (!now.has(key)) g.remove();
	map.nodes = now;
	if (!now.has(map.at)) map.at = map.order.length ? map.order[0].key : "";
	for (const o of map.order) attrs(o.g, { tabindex: o.key === map.at ? 0 : -1 });
	const hidden = s.links.reduce((sum, l) => sum + (l.more_remotes || 0), 0), boxes = s.links.length - at.boxes.length + (s.more_links || 0);
	text(el("map-more"), [at.busiest.length ? "Most traffic: " + at.busiest.map((r) => r.dst + " " + rate({ bps: traffic(r) }, s.seconds)).join(", ") + "." : "",
		at.dots.length ? at.dots.length + (at.dots.length === 1 ? " remote." : " remotes.") : "No remotes.",
		hidden ? hidden + " more are not listed: uvtep -s -s link show." : "", boxes ? boxes + " links are not in the map: filter them by name." : ""].filter(Boolean).join(" "));
}

// drawEdges draws the lines with most traffic.
function drawEdges(svg, at) {
	const byName = new Map(at.boxes.map((b) => [b.name, b])), lines = [];
	for (const d of at.dots) {
		for (const l of d.remote.links) {
			const b = byName.get(l.name), bps = traffic(l);
			if (b && bps > 0) lines.push({ b, d, bps });
		}
	}
	lines.sort((x, y) => y.bps - x.bps);
	lines.length = Math.min(lines.length, at.dots.length > 24 ? fewEdges : mostEdges); // behind many dots, more lines hide each other
	while (map.edges.length > lines.length) map.edges.pop().remove();
	lines.forEach(({ b, d, bps }, i) => {
		if (!map.edges[i]) {
			map.edges.push(shape("path", "edge"));
			svg.prepend(map.edges[i]);
		}
		const x = b.x + b.w, mid = (x + d.x) / 2;
		attrs(map.edges[i], { d: `M${x} ${b.y}C${mid} ${b.y} ${mid} ${d.y} ${d.x - d.r} ${d.y}`, "stroke-width": Math.max(1, Math.log10(bps) - 2).toFixed(1) });
	});
}

// move takes the focus to the nearest in a direction.
function move(from, key) {
	const dir = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[key];
	let best = null, least = Infinity;
	for (const o of map.order) {
		const dx = o.x - from.x, dy = o.y - from.y, ahead = dx * dir[0] + dy * dir[1], aside = Math.abs(dx * dir[1]) + Math.abs(dy * dir[0]);
		const far = ahead + (dir[0] ? aside * 2 : o.kind === from.kind ? aside * 4 : Infinity);
		if (ahead > 1 && far < least) { best = o; least = far; }
	}
	return best;
}

el("map").addEventListener("keydown", (ev) => {
	const i = map.order.findIndex((o) => o.g === ev.target);
	if (i < 0) return;
	if (ev.key === "Enter" || ev.key === " ") {
		ev.preventDefault();
		ev.target.dispatchEvent(new MouseEvent("click"));
		return;
	}
	let to = null;
	if (ev.key.startsWith("Arrow")) to = move(map.order[i], ev.key);
	else if (ev.key === "Home") to = map.order[0];
	else if (ev.key === "End") to = map.order[map.order.length - 1];
	else return;
	ev.preventDefault();
	if (!to) return;
	map.at = to.key;
	for (const o of map.order) attrs(o.g, { tabindex: o === to ? 0 : -1 });
	to.g.focus();
});
