/* Calls a kernel and says whether it touched memory that nobody may touch. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

static sigjmp_buf before_the_call;

static void on_fault(int number) {
    (void)number;
    siglongjmp(before_the_call, 1);
}

typedef void one_t(const void *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
typedef void two_t(const void *l, const int8_t *a, const int8_t *b, int8_t *y, uint32_t first, uint32_t n);
typedef void scratch_t(const void *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n);
typedef void slice_t(const void *l, const int8_t *x, int8_t *y, int8_t *scratch, uint16_t o, uint16_t rows, uint32_t first,
                     uint32_t n);
typedef int32_t part_t(const void *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);

typedef struct {
    void *kernel;
    const void *layer;
    const int8_t *x[2]; /* the second one is NULL where there is one */
    int8_t *y;          /* NULL: a part */
    int8_t *scratch;    /* NULL without */
    uint32_t first, n, k0;
    uint16_t slice[2]; /* the first channel of a call for some of them, and how many; 0: it is for all */
    int32_t sum; /* of a part */
} call_t;

static void call(call_t *c) {
    if (c->y == 0) {
        part_t *part;
        memcpy(&part, &c->kernel, sizeof part);
        c->sum = part(c->layer, c->x[0], c->first, c->k0, c->n);
    } else if (c->x[1] != 0) {
        two_t *two;
        memcpy(&two, &c->kernel, sizeof two);
        two(c->layer, c->x[0], c->x[1], c->y, c->first, c->n);
    } else if (c->slice[1] != 0) {
        slice_t *slice;
        memcpy(&slice, &c->kernel, sizeof slice);
        slice(c->layer, c->x[0], c->y, c->scratch, c->slice[0], c->slice[1], c->first, c->n);
    } else if (c->scratch != 0) {
        scratch_t *with_scratch;
        memcpy(&with_scratch, &c->kernel, sizeof with_scratch);
        with_scratch(c->layer, c->x[0], c->y, c->scratch, c->first, c->n);
    } else {
        one_t *one;
        memcpy(&one, &c->kernel, sizeof one);
        one(c->layer, c->x[0], c->y, c->first, c->n);
    }
}

int fml_touches(call_t *c);

/* 1 where the call ended in a memory fault, 0 where it came back. */
int fml_touches(call_t *c) {
    struct sigaction ours, segv, bus;
    volatile int faulted = 0;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = on_fault;
    sigaction(SIGSEGV, &ours, &segv);
    sigaction(SIGBUS, &ours, &bus);
    if (sigsetjmp(before_the_call, 1) == 0) {
        call(c);
    } else {
        faulted = 1;
    }
    sigaction(SIGSEGV, &segv, 0);
    sigaction(SIGBUS, &bus, 0);
    return faulted;
}
