/* The functions of a format whose rows are walked from entry to entry. Who includes this has defined FORMAT(what), the
 * function's name; place_t, which has a field `row`; start(l, first), the restart point before a row; and of a place the
 * next entries(l, at), of a row, zeros(l, at), before an entry, and value(l, at), of an entry. With OWN_PRODUCTS also
 * products(l, at, n, x, acc): acc + the products of the next n entries with x. */
#ifndef OWN_PRODUCTS
static inline int32_t products(const fml_coded_t *l, place_t *at, uint16_t n, const int8_t *x, int32_t acc) {
    for (; n > 0; n--) {
        x += zeros(l, at);
        acc = fml_product(acc, *x++, value(l, at));
    }
    return acc;
}
#endif

void FORMAT(i8)(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    if (n == 0) {
        return;
    }
    place_t at = start(l, first);
    uint8_t left = l->rows; /* to the next restart point */
    for (uint16_t o = at.row; n > 0; o++, left--) {
        if (left == 0) {
            at = start(l, o);
            left = l->rows;
        }
        const int32_t acc = products(l, &at, entries(l, &at), x, fml_coded_bias(l, o));
        if (o >= first) {
            *y++ = fml_coded_finish(l, o, acc);
            n--;
        }
    }
}

int32_t FORMAT(part_i8)(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    place_t at = start(l, element);
    int32_t acc = k0 == 0 ? fml_coded_bias(l, (uint16_t)element) : 0;
    for (uint16_t o = at.row; o <= element; o++) {
        uint32_t i = 0;
        for (uint16_t k = entries(l, &at); k > 0; k--, i++) {
            i += zeros(l, &at);
            const int8_t w = value(l, &at);
            if (o == element && i >= k0 && i - k0 < n) {
                acc = fml_product(acc, x[(size_t)i], w);
            }
        }
    }
    return acc;
}

int8_t FORMAT(finish_i8)(const fml_coded_t *l, uint32_t element, int32_t acc) {
    return fml_coded_finish(l, (uint16_t)element, acc);
}
