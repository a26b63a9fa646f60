// The page asks for state.json every two seconds while somebody sees it. All that it shows is text:
// nothing here makes HTML of what the daemon says, and the page's policy forbids it.

import { el, fill, heard, keyed, make, rate, rates, row, short, span, text } from "./text.js";
import { drawMap, remotesOf } from "./map.js";

const every = 2000, slowest = 10000, remembered = 60;
const page = { state: null, chosen: null, paused: false, wait: every, timer: 0, rx: [], tx: [], next: "", asking: null };

// spark draws the latest rates.
function spark(svg, values) {
	if (!svg.firstChild) svg.append(document.createElementNS(svg.namespaceURI, "path"));
	const top = Math.max(1, ...values), step = 120 / (remembered - 1);
	const from = remembered - values.length;
	svg.firstChild.setAttribute("d", values.map((v, i) => (i ? "L" : "M") + ((from + i) * step).toFixed(1) + " " + (22 - 20 * v / top).toFixed(1)).join(""));
}

function remember(list, value) {
	list.push(value || 0);
	if (list.length > remembered) list.shift();
}

const perSecond = (drops) => drops.reduce((sum, d) => sum + d.per_second, 0);
const total = (drops) => drops.reduce((sum, d) => sum + d.count, 0);
const dropText = (drops, s) => total(drops) === 0 ? "0" : short(total(drops)) + (s && perSecond(drops) > 0 ? " (" + short(perSecond(drops)) + "/s)" : "");

function showTop(s) {
	text(el("version"), s.version);
	el("verdict").className = "verdict " + s.verdict;
	text(el("verdict"), s.verdict);
	document.title = (s.verdict === "healthy" ? "" : "! ") + "uvtep " + location.host;
	el("findings").hidden = s.findings.length === 0;
	keyed(el("do"), s.findings, (f, i) => i, () => {
		const li = make("li");
		li.append(make("strong"), make("span"));
		return li;
	}, (li, f) => {
		text(li.children[0], (f.link ? f.link + ": " : "") + f.what);
		text(li.children[1], ": " + f.do);
	});
	text(el("do-more"), s.more_findings ? "and " + s.more_findings + " more: uvtep status" : "");
	for (const way of ["rx", "tx"]) {
		text(el(way), rate(s[way], s.seconds));
		text(el(way + "-packets"), s.seconds ? short(s[way].pps || 0) + "p/s" : "");
	}
	if (s.seconds) {
		remember(page.rx, s.rx.bps);
		remember(page.tx, s.tx.bps);
		spark(el("rx-line"), page.rx);
		spark(el("tx-line"), page.tx);
	}
	text(el("dropped"), s.seconds ? short(perSecond(s.drops)) + "/s" : "–");
	text(el("dropped-all"), short(total(s.drops)) + " since the start");
	text(el("addresses"), s.addresses);
	text(el("addresses-all"), s.maxaddress ? "of " + s.maxaddress : "any number");
}

function showLinks(s) {
	keyed(el("links"), s.links, (l) => l.name, (l) => {
		const tr = row(["mono", "", "wide", "wide", "wide", "wide", "", "", ""]);
		const b = make("button", "plain", l.name);
		b.type = "button";
		b.addEventListener("click", () => choose("link", l.name, true));
		tr.children[0].append(b);
		return tr;
	}, (tr, l) => {
		const more = l.remotes.length + (l.more_remotes || 0);
		tr.children[1].className = l.up ? "" : "down";
		text(tr.children[1], l.up ? "up" : "down");
		text(tr.children[2], l.id);
		text(tr.children[3], l.mtu + (l.mtu_source ? " (" + l.mtu_source + ")" : ""));
		text(tr.children[4], l.entries + (l.maxaddress ? "/" + l.maxaddress : ""));
		text(tr.children[5], more);
		text(tr.children[6], rate(l.rx, s.seconds));
		text(tr.children[7], rate(l.tx, s.seconds));
		tr.children[8].className = perSecond(l.drops) > 0 ? "bad" : "";
		text(tr.children[8], dropText(l.drops, s.seconds));
	});
	text(el("links-more"), s.more_links ? "and " + s.more_links + " more that match: write more of the name" : s.links.length + " of " + s.all_links);
}

function showDrops(s) {
	el("drops-table").hidden = s.drops.length === 0;
	el("no-drops").hidden = s.drops.length > 0;
	keyed(el("drops"), s.drops, (d) => d.reason, () => row(["mono", "", ""]), (tr, d) => {
		fill(tr, [d.reason, s.seconds ? short(d.per_second) : "–", d.count]);
		tr.children[1].className = d.per_second > 0 ? "bad" : "";
	});
}

function showEVPN(s) {
	el("evpn").hidden = !s.evpn;
	const e = s.evpn || {};
	text(el("evpn-error"), e.error || "");
	const neighbors = e.neighbors || [], links = e.links || [];
	el("evpn-neighbors").hidden = neighbors.length === 0;
	el("evpn-links").hidden = links.length === 0;
	keyed(el("neighbors"), neighbors, (n) => n.address, () => row(["mono", "", "", "", ""]), (tr, n) => {
		fill(tr, [n.address + " AS " + n.as, n.state + (n.last_error && n.state !== "Established" ? ": " + n.last_error : ""), span(n.seconds), n.routes, n.announced]);
		tr.children[1].className = n.state === "Established" ? "" : "bad";
	});
	keyed(el("vnis"), links, (l) => l.name, () => row(["mono", "", "", "", ""]), (tr, l) => {
		fill(tr, [l.name + (l.out ? ": takes no part: " + l.out : ""), l.vteps, l.macs, l.local_macs, l.duplicates || 0]);
	});
	text(el("evpn-more"), e.more ? "and " + e.more + " more: uvtep evpn show" : "");
}

// chosenParts are the terms and values of what is chosen in the map.
function chosenParts(s) {
	const c = page.chosen;
	if (c && c.kind === "link") {
		const l = s.links.find((l) => l.name === c.name);
		if (!l) return null;
		return [["state", l.up ? "up" : "down"], ["vni", l.id], ["local", (l.local || "any") + " port " + l.dstport], ["mtu", l.mtu + (l.mtu_source ? " (" + l.mtu_source + ")" : "")],
			["received", rates(l.rx, s.seconds)], ["sent", rates(l.tx, s.seconds)], ["entries", l.entries + (l.maxaddress ? " of " + l.maxaddress : "")],
			["remotes", l.remotes.length + (l.more_remotes || 0)],
			...l.drops.map((d) => [d.reason, d.count + (d.per_second > 0 ? " (" + short(d.per_second) + "/s)" : "")]),
			["offloads", l.offloads.filter((o) => o.on).map((o) => o.name).join(" ") || "none"],
			...l.offloads.filter((o) => !o.on && o.reason).map((o) => ["not " + o.name, o.reason])];
	}
	if (c && c.kind === "remote") {
		const r = remotesOf(s).find((r) => r.dst === c.name);
		if (!r) return null;
		return [["last heard", heard(r.heard)], ["configured", r.configured ? "yes" : "no"], ["received", rates(r.rx, s.seconds)], ["sent", rates(r.tx, s.seconds)],
			["packets", short(r.rx.packets) + " received, " + short(r.tx.packets) + " sent"], ["dropped", short(r.rx.dropped + r.tx.dropped)], ["entries", r.entries],
			...r.links.slice(0, 12).map((l) => [l.name, "rx " + rate(l.rx, s.seconds) + " tx " + rate(l.tx, s.seconds)]),
			...(r.links.length > 12 ? [["links", "and " + (r.links.length - 12) + " more"]] : [])];
	}
	return undefined;
}

function showChosen(s) {
	const box = el("chosen"), parts = chosenParts(s);
	if (!box.firstChild) {
		const b = make("button", "", "Its entries");
		b.type = "button";
		b.addEventListener("click", () => {
			el("fdb-q").value = page.chosen.name;
			search("");
			el("fdb").scrollIntoView();
			el("fdb-q").focus({ preventScroll: true });
		});
		box.append(make("h3"), make("p", "note"), make("dl"), b);
	}
	const [title, note, list, button] = box.children;
	text(title, page.chosen ? page.chosen.name : "");
	text(note, parts === undefined ? "Choose a link or a remote." : parts === null ? "It is not there any more, or not listed." : "");
	button.hidden = !parts;
	const flat = (parts || []).flatMap(([term, value]) => [["dt", term], ["dd", value]]);
	keyed(list, flat, (p, i) => i, ([tag]) => make(tag), (n, [, value]) => text(n, value));
}

function choose(kind, name, go) {
	page.chosen = { kind, name };
	if (page.state) {
		showChosen(page.state);
		drawMap(page.state, page.chosen, choose);
	}
	if (go) el("chosen").focus();
}

function show(s) {
	page.state = s;
	showTop(s);
	showLinks(s);
	showDrops(s);
	showEVPN(s);
	showChosen(s);
	drawMap(s, page.chosen, choose);
}

// poll asks for the state, and again later. One request is under way at a time.
async function poll() {
	clearTimeout(page.timer);
	if (page.asking) page.asking.abort();
	const asking = page.asking = new AbortController();
	const late = setTimeout(() => asking.abort(), slowest);
	try {
		const filter = el("link-filter").value.trim();
		const answer = await fetch("state.json" + (filter ? "?link=" + encodeURIComponent(filter) : ""), { signal: asking.signal, cache: "no-store" });
		if (!answer.ok) throw new Error("the daemon answers " + answer.status + ": " + (await answer.text()).slice(0, 200));
		const s = await answer.json();
		if (asking !== page.asking) return;
		page.wait = every;
		el("trouble").hidden = true;
		el("main").classList.remove("old");
		show(s);
		text(el("age"), "As of " + new Date().toLocaleTimeString() + ".");
	} catch (err) {
		if (asking !== page.asking) return; // another one was begun
		page.wait = Math.min(2 * page.wait, slowest);
		text(el("trouble"), "The daemon does not answer; what is here is old. Trying again. (" + err.message + ")");
		el("trouble").hidden = false;
		el("main").classList.add("old");
	} finally {
		clearTimeout(late);
		if (asking === page.asking) {
			page.asking = null;
			if (!page.paused && !document.hidden) page.timer = setTimeout(poll, page.wait);
		}
	}
}

// search shows a page of entries, behind the one that told after.
async function search(after) {
	const q = el("fdb-q").value.trim();
	text(el("fdb-said"), "Searching");
	try {
		const answer = await fetch("fdb.json?" + new URLSearchParams({ q, after }), { cache: "no-store" });
		if (!answer.ok) throw new Error((await answer.text()).slice(0, 200));
		const found = await answer.json();
		el("fdb-table").hidden = found.entries.length === 0;
		keyed(el("entries"), found.entries, (e, i) => i, () => row(["mono", "mono", "mono", "", ""]), (tr, e) => {
			const to = e.dst ? e.dst + (e.via ? " via " + e.via : "") : e.sticky ? "this side" : "–";
			fill(tr, [e.mac, e.dev, to, [e.state, e.extern_learn ? "extern_learn" : "", e.router ? "router" : "", e.noflood ? "noflood" : "", e.owner ? "of " + e.owner : ""].filter(Boolean).join(" "), span(e.used) + " ago"]);
		});
		page.next = found.next || "";
		el("fdb-next").hidden = !page.next;
		text(el("fdb-said"), found.entries.length === 0 ? "No entry has that." : found.entries.length + (page.next ? " entries, and there are more." : after ? " entries; these were the last." : " entries."));
	} catch (err) {
		text(el("fdb-said"), "The search failed: " + err.message);
	}
}

text(el("host"), location.host);
el("pause").addEventListener("click", () => {
	page.paused = !page.paused;
	el("pause").setAttribute("aria-pressed", page.paused);
	text(el("pause"), page.paused ? "Go on" : "Pause");
	if (page.paused) clearTimeout(page.timer); else poll();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && !page.paused) poll(); });
el("link-form").addEventListener("submit", (ev) => ev.preventDefault());
el("link-filter").addEventListener("input", () => { clearTimeout(page.timer); page.timer = setTimeout(poll, 300); });
el("fdb-form").addEventListener("submit", (ev) => { ev.preventDefault(); search(""); });
el("fdb-next").addEventListener("click", () => search(page.next));
new ResizeObserver(() => { if (page.state) drawMap(page.state, page.chosen, choose); }).observe(el("map-box"));
poll();
