/* made by a test */

/* [4, 6] of /DenseI8 */
static const int8_t tiny_dense_v0_weight[24] = {
    -122, -84, 16, -77, -108, -77, 16, -84, -122, -98, -12, -119, 91, 108, -68, 73, 21, 31, 103, -18, -77, -74, -9, 118,
};

/* [4] of /DenseI8 */
static const int32_t tiny_dense_v0_bias[4] = {
    -822, 270, -377, 839,
};

/* [4] of /DenseI8 */
static const uint16_t tiny_dense_v0_mult[4] = {
    36079, 38225, 40433, 42703,
};

/* [4] of /DenseI8 */
static const uint8_t tiny_dense_v0_shift[4] = {
    24, 23, 24, 24,
};

/* [3, 4] of /DenseI8 */
static const int8_t tiny_dense_v1_weight[12] = {
    -122, 52, 33, 76, -74, 93, 67, 103, -54, 106, 73, 102,
};

/* [3] of /DenseI8 */
static const int32_t tiny_dense_v1_bias[3] = {
    351, 256, 223,
};

/* [3] of /DenseI8 */
static const uint16_t tiny_dense_v1_mult[3] = {
    61099, 34693, 41117,
};

/* [3] of /DenseI8 */
static const uint8_t tiny_dense_v1_shift[3] = {
    24, 24, 23,
};
