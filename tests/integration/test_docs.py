#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Help, manual pages, completions and settings.md agree with one another and with the tables they come from.

  test_docs.py GENERATE
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

BUILD = pathlib.Path(os.environ['PREPROF_BUILD'])
SOURCE = pathlib.Path(os.environ['PREPROF_SOURCE'])
GENERATE = sys.argv.pop(1)


def output(*command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True, timeout=60,
                          **options).stdout


def settings():
    """NAME, default, allowed, help of each row of settings.def."""
    text = re.sub(r'/\*.*?\*/', '', (SOURCE / 'include/preprof/settings.def').read_text(), flags=re.S)
    return re.findall(r'PP_SETTING\(\s*\w+,\s*"(\w+)",\s*\w+,\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\s*\)', text)


COMMANDS = re.findall(r'(?m)^  (\w+) ', output(BUILD / 'preprof', '--help'))


def plain(page):
    """A manual page as unbroken words."""
    text = re.sub(r'\\f[BIR]', '', page).replace('\\-', '-').replace('\\e', '\\').replace('\\&', '').replace('\\(ti', '~')
    return ' '.join(text.split())


class Docs(unittest.TestCase):
    def test_settings_have_rows(self):
        self.assertGreaterEqual(len(settings()), 13)
        self.assertEqual(COMMANDS, sorted(COMMANDS))
        self.assertIn('report', COMMANDS)

    def test_settings_md_is_up_to_date(self):
        self.assertEqual((SOURCE / 'docs/settings.md').read_text(), output(GENERATE, 'settings'),
                         'docs/settings.md: write it anew with `generate-docs settings`')

    def test_every_setting_is_everywhere(self):
        run_help = ' '.join(output(BUILD / 'preprof', 'run', '--help').split())
        pages = {name: plain(output(GENERATE, 'man', name)) for name in ('preprof', 'preprof-run')}
        completions = {shell: output(GENERATE, shell) for shell in ('bash', 'zsh', 'fish')}
        for name, default, allowed, words in settings():
            option = '--' + name.lower().replace('_', '-')
            sentence = f'{words}: {allowed}'
            self.assertIn(f'{option} VALUE', run_help)
            self.assertIn(f'{sentence} (default: {default})', run_help)
            self.assertIn(f'{option} VALUE {sentence}. Default: {default}.', pages['preprof-run'])
            for page in pages.values():
                self.assertIn(f'PREPROF_{name} {sentence}', page)
            self.assertIn(f'{option})', completions['bash'])
            self.assertIn(f'{option}', completions['zsh'])
            self.assertIn(f'-l {option[2:]} ', completions['fish'])

    def test_every_option_is_in_help_page_and_completions(self):
        for command in 'report', 'run':
            text = output(BUILD / 'preprof', command, '--help')
            page = plain(output(GENERATE, 'man', f'preprof-{command}'))
            options = re.findall(r'(?m)^  (?:-\w, )?--([\w-]+)', text)
            self.assertGreaterEqual(len(options), 4)
            for option in options:
                self.assertIn(f'--{option}', page)
                for shell in 'bash', 'zsh', 'fish':
                    self.assertIn(option, output(GENERATE, shell))
            words = ' '.join(text.split('Options:')[0].split('\n\n', 1)[1].split())
            self.assertIn(words, page.replace(' .PP', ''))

    def test_pages_are_clean(self):
        pages = ['preprof', 'preprof-doctor', 'preprof-run', 'preprof-report', 'preprof-analyzer']
        self.assertEqual(set(pages) - {'preprof', 'preprof-analyzer'},
                         {f'preprof-{name}' for name in COMMANDS if name not in ('help', 'version')})
        for name in pages:
            page = output(GENERATE, 'man', name)
            for section in 'NAME', 'SYNOPSIS', 'DESCRIPTION', 'SEE ALSO':
                self.assertIn(f'.SH {section}\n', page, name)
            self.assertFalse(re.search(r'[^\x00-\x7f]', page), name)
            if shutil.which('groff'):
                checked = subprocess.run(['groff', '-man', '-Tascii', '-ww'], input=page, capture_output=True, text=True,
                                         check=True)
                self.assertEqual(checked.stderr, '', name)
            if shutil.which('man'):
                checked = subprocess.run(['man', '--warnings=w', '-l', '-'], input=page, capture_output=True, text=True,
                                         env={**os.environ, 'MANPAGER': 'cat', 'LC_ALL': 'C.UTF-8'}, check=False)
                self.assertEqual(checked.stderr, '', name)

    def test_analyzer_page_names_its_options(self):
        page = plain(output(GENERATE, 'man', 'preprof-analyzer'))
        source = (SOURCE / 'analyzer/analyzer_main.c').read_text()
        for option in re.findall(r'--([a-z]+)', page):
            self.assertIn(f'"{option}"', source)

    def bash_completes(self, line):
        words = line.split(' ')
        script = '\n'.join([output(GENERATE, 'bash'), f'COMP_WORDS=({" ".join(repr(word) for word in words)})',
                            f'COMP_CWORD={len(words) - 1}', '_preprof', 'printf "%s\\n" "${COMPREPLY[@]}"'])
        return output('bash', '-c', script, cwd=SOURCE).split()

    def test_bash_completes(self):
        self.assertIn('report', self.bash_completes('preprof re'))
        self.assertEqual(self.bash_completes('preprof report --form'), ['--format'])
        self.assertEqual(self.bash_completes('preprof report -f j'), ['json'])
        self.assertEqual(self.bash_completes('preprof run --full-pipe d'), ['drop'])
        self.assertEqual(self.bash_completes('preprof help rep'), ['report'])
        self.assertIn('meson.build', self.bash_completes('preprof report meson'))
        self.assertIn('bash', self.bash_completes('preprof run bas'))
        self.assertIn('bash', self.bash_completes('preprof doctor bas'))
        self.assertEqual(self.bash_completes('preprof doctor -f j'), ['json'])
        self.assertIn('--start-signal', self.bash_completes('preprof --start'))

    def test_shells_accept_their_files(self):
        for shell, check in ('bash', ['-n']), ('zsh', ['-n']), ('fish', ['--no-execute']):
            path = shutil.which(shell)
            if path:
                subprocess.run([path, *check], input=output(GENERATE, shell), text=True, check=True)


if __name__ == '__main__':
    unittest.main()
