"""`pio test -e local`: the firmware with its self-test runs on the emulated board; a line per sample is a test case."""

import re
import sys

import click
from platformio.test.result import TestCase, TestStatus
from platformio.test.runners.base import TestRunnerBase

_STATUS = {"PASS": TestStatus.PASSED, "FAIL": TestStatus.FAILED, "SKIP": TestStatus.SKIPPED}
_LINE = re.compile(r"^(?P<name>sample \d+): (?P<verdict>PASS|FAIL|SKIP)\b ?(?P<message>.*)$")


class CustomTestRunner(TestRunnerBase):
    """Links the self-test between runtime and board, and reads what the emulated board prints."""

    def configure_build_env(self, env):
        """Samples and reports go through selftest.c."""
        env.Append(LINKFLAGS=["-Wl,--wrap=fml_hal_sample", "-Wl,--wrap=fml_board_report"])
        return env

    def stage_testing(self):
        """Run what was built, and fail where it says nothing."""
        if self.options.without_testing:
            return
        click.secho("Testing...", bold=True)
        for line in self.platform.selftest(self.test_suite.env_name):
            self.on_testing_line_output(line)
        if not self.test_suite.cases:
            raise RuntimeError("the self-test ended without a result")

    def on_testing_line_output(self, line):
        """Print a line, and keep it where it is a verdict."""
        click.echo(line, nl=False)
        found = _LINE.match(line.strip())
        if found:
            self.test_suite.add_case(
                TestCase(
                    name=found["name"],
                    status=_STATUS[found["verdict"]],
                    message=found["message"] or None,
                    stdout=line,
                )
            )
        sys.stdout.flush()
