/**
 * Which charts and events tell about a part of the map, by what it is and by what leads to and from it.
 *
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayNode} WayNode
 * @typedef {{charts: string[], handler: string | null, outcome?: string, query: string | null}} Sight `handler`: whose
 *     events and charts these are; `query`: of the log lines.
 */

/** @type {Record<string, string[]>} */
const CHARTS = {
    caller: ["arrival_rate", "http_time"],
    store: ["arrival_rate", "backlog"],
    bus: ["throughput", "publish_time"],
    queue: ["backlog", "event_age"],
    handler: ["process_time", "event_age", "failures"],
    results: ["throughput"],
    outside: ["process_time", "failures"],
    failures: ["failures"],
};

/**
 * @param {Way} way
 * @param {WayNode} node
 * @returns {Sight}
 */
export function sightOf(way, node) {
    const handler = handlerOf(way, node);
    if (node.kind === "failures") {
        return {
            charts: CHARTS.failures,
            handler: null,
            outcome: "dead_lettered",
            query: "log.level:error OR log.level:warning",
        };
    }
    const charts = CHARTS[node.kind] ?? chartsOfService(way, node);
    return { charts, handler, query: queryOf(node, handler) };
}

/**
 * The handler that a node is, is read by, or is used by.
 *
 * @param {Way} way
 * @param {WayNode} node
 */
function handlerOf({ nodes, links }, node) {
    if (node.kind === "handler") {
        return node.name;
    }
    const near = links.filter(
        ({ from, to, kind }) => (from === node.id && kind === "deliver") || (to === node.id && kind === "send"),
    );
    const [id] = near.map(({ from, to }) => (from === node.id ? to : from));
    const found = nodes.find((other) => other.id === id);
    return found?.kind === "handler" ? found.name : null;
}

/**
 * @param {Way} way
 * @param {WayNode} node
 */
function chartsOfService({ links }, { id }) {
    const takes = links.some(({ to, kind }) => to === id && kind === "request");
    const publishes = links.some(({ from, kind }) => from === id && kind === "publish");
    return [
        ...(takes ? ["http_rate", "http_time"] : []),
        ...(publishes ? ["backlog", "publish_time"] : []),
        "loop_lag",
    ];
}

/**
 * @param {WayNode} node
 * @param {string | null} handler
 */
function queryOf(node, handler) {
    if (handler) {
        return `cartscope.handler:${handler}`;
    }
    return node.service ? `service.name:${node.service}` : null;
}
