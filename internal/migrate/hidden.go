package migrate

// Hidden is, by the names of links, what an old ip does not print of them, with
// the keys and values of a newer one's JSON.
type Hidden map[string]map[string]any
