// Numbers as text, and text in the document.

export const el = (id) => document.getElementById(id);

// short is a number for people, as uvtep status writes it.
export function short(v) {
	const units = ["", "k", "M", "G", "T"];
	let i = 0;
	while (v >= 999.5 && i < units.length - 1) { v /= 1000; i++; }
	return (v < 10 ? Math.round(v * 10) / 10 : Math.round(v)) + units[i];
}

export function rate(flow, seconds) {
	if (!seconds) return "–";
	return short(flow.bps || 0) + "b/s";
}

export function rates(flow, seconds) {
	return seconds ? short(flow.pps || 0) + "p/s " + rate(flow, seconds) : "–";
}

export function heard(seconds) {
	if (seconds === undefined) return "never";
	return seconds < 2 ? "now" : span(seconds) + " ago";
}

export function span(s) {
	if (s < 120) return s + " s";
	if (s < 7200) return Math.round(s / 60) + " min";
	return s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}

export function text(node, value) {
	value = String(value);
	if (node.textContent !== value) node.textContent = value;
}

export function make(tag, cls, value) {
	const n = document.createElement(tag);
	if (cls) n.className = cls;
	if (value !== undefined) n.textContent = value;
	return n;
}

// keyed has parent show items, and keeps the nodes of those that it had, so that the focus stays.
export function keyed(parent, items, key, create, update) {
	const had = parent.shown || new Map(), now = new Map();
	items.forEach((item, i) => {
		let k = key(item, i);
		while (now.has(k)) k += " again"; // two links of two namespaces may have one name
		const n = had.get(k) || create(item);
		had.delete(k);
		now.set(k, n);
		update(n, item);
		if (parent.children[i] !== n) parent.insertBefore(n, parent.children[i] || null);
	});
	for (const n of had.values()) n.remove();
	parent.shown = now;
}

export function row(cells) {
	const tr = make("tr");
	for (const cls of cells) tr.append(make("td", cls));
	return tr;
}

export function fill(tr, values) {
	values.forEach((v, i) => text(tr.children[i], v));
}
