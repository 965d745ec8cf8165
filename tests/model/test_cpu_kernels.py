from model import cpu_kernels


def test_they_are_usable_unless_xla_compiles():
    assert cpu_kernels.are_usable()
    with cpu_kernels.unless(is_for_xla=True):
        assert not cpu_kernels.are_usable()
        with cpu_kernels.unless(is_for_xla=False):
            assert cpu_kernels.are_usable()
    assert cpu_kernels.are_usable()
