/* Chains of changes to a committed image: what the images of a segment are kept as. */
#include <stdlib.h>
#include <string.h>

#include "crash.h"

typedef struct {
    uint32_t parent, addr; /* node 0 is the committed image */
    uint8_t n, bytes[4];
} node_t;

static struct {
    node_t *nodes;
    uint32_t *path;
    uint32_t n, room, keep, path_room;
} chain;

void *crash_grown(void *array, uint32_t n, uint32_t *room, size_t size) {
    if (n < *room) {
        return array;
    }
    *room = *room > 0 ? 2 * *room : 1024;
    array = realloc(array, *room * size);
    if (array == NULL) {
        abort();
    }
    return array;
}

uint32_t crash_chain_add(uint32_t parent, uint32_t addr, const uint8_t *bytes, uint32_t n) {
    chain.nodes = crash_grown(chain.nodes, chain.n, &chain.room, sizeof *chain.nodes);
    node_t *node = &chain.nodes[chain.n];
    node->parent = parent;
    node->addr = addr;
    node->n = (uint8_t)n;
    memcpy(node->bytes, bytes, n);
    return chain.n++;
}

void crash_chain_apply(uint32_t node) {
    uint32_t n = 0;
    for (uint32_t i = node; i != 0; i = chain.nodes[i].parent) {
        chain.path = crash_grown(chain.path, n, &chain.path_room, sizeof *chain.path);
        chain.path[n++] = i;
    }
    while (n-- > 0) {
        const node_t *change = &chain.nodes[chain.path[n]];
        world_set(change->addr, change->bytes, change->n);
    }
}

void crash_chain_keep(uint32_t node) {
    chain.keep = node < chain.keep ? chain.keep : node + 1;
}

void crash_chain_drop(void) {
    chain.n = chain.keep;
}

void crash_chain_clear(void) {
    chain.n = chain.keep = 1;
    chain.nodes = crash_grown(chain.nodes, 0, &chain.room, sizeof *chain.nodes);
}

void crash_chain_free(void) {
    free(chain.nodes);
    free(chain.path);
    memset(&chain, 0, sizeof chain);
}
