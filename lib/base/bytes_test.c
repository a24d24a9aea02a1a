#include "lib/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void integers_survive_and_lie_in_network_order(void **state)
{
    (void)state;
    uint8_t place[8];

    hf_put_be16(place, 0x0102);
    assert_int_equal(place[0], 1);
    assert_int_equal(hf_get_be16(place), 0x0102);
    hf_put_be32(place, 0xfffefdfc);
    assert_int_equal(place[3], 0xfc);
    assert_int_equal(hf_get_be32(place), 0xfffefdfc);
    hf_put_be64(place, 0xfffefdfcfbfaf9f8);
    assert_int_equal(place[7], 0xf8);
    assert_true(hf_get_be64(place) == 0xfffefdfcfbfaf9f8);
}

static void little_endian_puts_the_low_byte_first(void **state)
{
    (void)state;
    uint8_t place[8];

    hf_put_le64(place, 0x0102030405060708);

    assert_int_equal(place[0], 8);
    assert_int_equal(place[7], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_survive_and_lie_in_network_order),
        cmocka_unit_test(little_endian_puts_the_low_byte_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
