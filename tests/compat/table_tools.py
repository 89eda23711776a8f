# SPDX-License-Identifier: Apache-2.0
"""Shells, the small tools, compilers and builds, media, text editors, debuggers: programs that end by themselves."""

from execute import Row
from table_core import MAKEFILE, REPOSITORY, SCRIPT

CORPUS = """
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "%d the %d quick %x brown %d fox %d\\n", i, i * 7919 % 1000, i * 31, i % 97, i * i % 1013 }' > text
"""

SHELL_PROBE = r"""
trap 'echo trapped' USR1
kill -USR1 $$
f() { local x=$1; echo "f $x"; return 3; }
f one; echo "status $?"
for i in 1 2 3; do (sleep 0.01; exit $i) & wait $!; echo "child $?"; done
echo "$(echo nested $(echo deeper))"
ls /no/such/file; echo "ls $?"
cat <<X | tr a-z A-Z
here document
X
trap 'echo at exit' EXIT
exit 7
"""

CPP = """cat > a.cc <<'X'
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
    std::map<std::string, int> counts;
    for (int i = 0; i < 20000; i++) counts[std::to_string(i % 777)] += i;
    int thrown = 0;
    for (int i = 0; i < 500; i++) try { throw std::runtime_error(std::to_string(i)); } catch (std::exception const &) { thrown++; }
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<int>> kept(4);
    for (int i = 0; i < 4; i++) threads.emplace_back([&kept, i] { for (int k = 0; k < 1000; k++) kept[i] = std::make_unique<int>(k); });
    for (auto &thread : threads) thread.join();
    std::cout << counts["5"] << ' ' << thrown << ' ' << *kept[3] << std::endl;
}
X
"""

CMAKE = CPP + """cat > CMakeLists.txt <<'X'
cmake_minimum_required(VERSION 3.20)
project(probe CXX C)
find_package(Threads REQUIRED)
add_executable(probe a.cc)
target_link_libraries(probe Threads::Threads)
enable_testing()
add_test(NAME probe COMMAND probe)
X
"""


def tool(name, command, packages="", **more):
    return Row(name, command, more.pop("group", "tools"), packages=packages, **more)


def shell(name, packages, script=SCRIPT + "", **more):
    return Row(name, [name, "-c", script], "shells", packages=packages, **more)


def coreutils(name, command, **more):
    return Row(name, command, "coreutils", before=CORPUS, packages="coreutils", **more)


SHELLS = [
    shell("zsh", "zsh"),
    shell("ksh", "ksh", sees=("ksh.*",)),
    shell("mksh", "mksh"),
    shell("fish", "fish", 'for i in (seq 5); echo $i | tr 0-9 a-j; end; string repeat -n 3 ab; false; echo $status; exit 4'),
    shell("tcsh", "tcsh", 'set x = 3; while ($x); echo `expr $x + 1`; @ x--; end; /bin/false; echo $status; exit 2', sees=("bsd-csh|tcsh",)),
    Row("bash probe", ["bash", "-c", SHELL_PROBE], "shells"),
    Row("dash probe", ["dash", "-c", SHELL_PROBE], "shells", packages="dash"),
    Row("bash of 200 commands", ["bash", "-c", "for i in {1..100}; do /bin/echo $i; expr $i \\* 2; done | cksum"], "shells",
        sees=("bash", "echo", "expr", "cksum")),
    Row("busybox sh", ["busybox", "sh", "-c", SCRIPT], "shells", nothing="static"),
]

COREUTILS = [
    coreutils("ls -lR", "ls -lR /usr/share/zoneinfo | cksum; ls -la --time-style=+ /usr/bin | cksum", sees=("ls", "cksum")),
    coreutils("cp mv rm ln", "mkdir -p a/b; cp -a text a/b/one; cp --reflink=auto text two; mv two a/three; ln -s three a/four; ln a/three a/five; "
              "rm a/b/one; install -m 751 text a/six; chmod 640 a/three; touch -d @1000000000 a/b; stat -c '%n %a %h %s' a/*; rmdir a/b",
              sees=("cp", "mv", "ln", "rm", "install", "chmod", "touch", "stat", "mkdir", "rmdir")),
    coreutils("cut paste join comm", "cut -d' ' -f1,3 text > x; sort text > y; paste x y | head -50; sort -k1,1 text | join - y | tail -5; "
              "comm -12 y <(sort x) | wc; uniq -c y | sort -rn | head -3; tsort <<< 'a b b c'", sees=("cut", "paste", "join", "comm", "wc", "uniq", "tsort")),
    coreutils("head tail split od", "split -n l/4 -d text part.; head -c 1000 text | od -An -tx1 | tail -3; tail -n +19990 text; csplit -s text 100 '{3}'; "
              "tac text | head -2; nl text | tail -1; fold -w 30 text | sum; expand text | md5sum; shuf --random-source=/dev/zero text | sha1sum; "
              "head -3 text | tee copy; dd if=text of=out bs=1k count=5 status=none; truncate -s 10000 out; factor 1234567890123; "
              "numfmt --to=iec 123456789; base64 text | b2sum; seq 1 3 20; fmt -w 40 text | sha256sum; pr -l 20 text | sha512sum",
              sees=("split", "head", "od", "tail", "csplit", "tac", "nl", "fold", "shuf", "tee", "dd", "factor", "pr")),
    coreutils("du df id date", "du -a . | sort; id; date -d @1 -u; whoami; pwd -P; basename /a/b; dirname /a/b; printf '%05d\\n' 7; expr 3 + 4; "
              "readlink -f text; realpath .; uname -s; nproc; arch; logname; tty; groups; env | grep -v -e PREPROF -e LD_PRELOAD | sort; test -f text; echo $?",
              sees=("du", "id", "date", "df|du")),
    coreutils("sort with files", "for i in 1 2 3; do cat text; done | sort -S 300K -T tmp -k3,3n -k1,1 --parallel=4 | md5sum; sort -c text; echo $?",
              sees=("sort",)),
    coreutils("yes into head", "yes | head -100000 | uniq -c; echo ${PIPESTATUS[@]}", sees=("yes", "uniq")),
]

TOOLS = [
    tool("sed", "sed -E 's/([0-9]+) the/<\\1>/g; /fox 1/d' text | tail -3; sed -i 's/brown/red/' text; sed -n '$=' text", "sed", before=CORPUS, sees=("sed",)),
    tool("grep -r", "grep -rc 'quick 1f' text; grep -rhoP '\\d{3} fox' text | sort | uniq -c | head -3; grep -r include /usr/include/linux | cksum; grep zzz text; echo $?",
         "grep", before=CORPUS, sees=("grep",)),
    tool("ripgrep", ["rg", "-c", "--sort", "path", "define", "/usr/include/linux"], "ripgrep", sees=("rg",)),
    tool("fdfind", "fdfind -e h net /usr/include/linux | sort", "fd-find", sees=("fdfind|fd",)),
    tool("gawk", ["gawk", "{ n[$3] += $1 } END { for (i in n) s += n[i]; print s, length(n) }", "text"], "gawk", before=CORPUS),
    tool("mawk", ["mawk", "{ n[$3] += $1 } END { for (i in n) s += n[i]; print s, length(n) }", "text"], "mawk", before=CORPUS),
    tool("original-awk", ["original-awk", "{ n[$3] += $1 } END { for (i in n) s += n[i]; print s, length(n) }", "text"], "original-awk", before=CORPUS),
    tool("xargs", "seq 200 | xargs -P 4 -n 10 echo | sort -n | tail -2; find . -name text -print0 | xargs -0 wc -l; seq 3 | xargs -I{} sh -c 'exit 255'; echo $?",
         "findutils", before=CORPUS, sees=("xargs", "find", "echo")),
    tool("diff and patch", "cp text new; sed -i '5,10d; s/fox 3/fax 3/' new; diff -u --label a --label b text new > p; echo $?; patch -s text p; cmp text new; diff3 -m text new text | md5sum",
         "diffutils patch", before=CORPUS, sees=("diff", "patch", "cmp", "diff3")),
    tool("tar", "mkdir d; split -n l/20 text d/x; tar czf a.tgz --mtime=@0 --sort=name d; tar tvzf a.tgz | wc -l; mkdir e; tar xzf a.tgz -C e; diff -r d e/d; rm a.tgz",
         "tar", before=CORPUS, sees=("tar", "gzip")),
    tool("gzip", "gzip -9nk text; gzip -l text.gz | tail -1; zcat text.gz | cmp - text; gzip -t text.gz", "gzip", before=CORPUS, sees=("gzip",)),
    tool("bzip2", "bzip2 -k text; bzcat text.bz2 | cmp - text", "bzip2", before=CORPUS, sees=("bzip2",)),
    tool("xz", "xz -k -T4 --block-size=64KiB text; xzcat -T2 text.xz | cmp - text; xz -l --robot text.xz", "xz-utils", before=CORPUS, sees=("xz",)),
    tool("zstd", "zstd -q -T4 -19 text; zstdcat text.zst | cmp - text; zstd -q -b1 -i0 text > /dev/null 2>&1; zstd --train -q text -B500 -o dict 2> /dev/null; ls",
         "zstd", before=CORPUS, sees=("zstd",)),
    tool("lz4", "lz4 -q -9 text text.lz4; lz4cat text.lz4 | cmp - text", "lz4", before=CORPUS, sees=("lz4",)),
    tool("7z", "7z a -bso0 -bsp0 -mmt=2 a.7z text; 7z x -bso0 -bsp0 -oout a.7z; cmp text out/text; rm a.7z", "p7zip-full", before=CORPUS, sees=("7z.*",)),
    tool("zip and unzip", "TZ=UTC touch -d @1000000000 text; zip -qX a.zip text; unzip -l a.zip; unzip -p a.zip text | md5sum", "zip unzip", before=CORPUS, sees=("zip", "unzip")),
    tool("cpio", "find text | cpio -o --reproducible -H newc 2> /dev/null | cpio -t", "cpio", before=CORPUS, sees=("cpio",)),
    tool("jq", "seq 1 5000 | jq -s 'map({k: (. % 7 | tostring), v: .}) | group_by(.k) | map({(.[0].k): (map(.v) | add)}) | add'", "jq", sees=("jq",)),
    tool("bc and dc", "echo 'scale=300; 4*a(1)' | bc -l | tail -2; dc -e '2 1000 ^ p'", "bc dc", sees=("bc", "dc")),
    tool("openssl", "openssl dgst -sha256 text; openssl enc -aes-256-cbc -pbkdf2 -S 0011223344556677 -k pass -in text -out e; openssl enc -d -aes-256-cbc -pbkdf2 -k pass -in e | cmp - text; "
         "openssl genrsa -out key 2048; openssl req -new -x509 -key key -subj /CN=probe -out cert -days 3; openssl x509 -in cert -noout -subject; openssl verify -CAfile cert cert; rm key cert",
         "openssl", before=CORPUS, sees=("openssl",)),
    tool("gpg", "export GNUPGHOME=$PWD/gpg; mkdir -m 700 gpg; gpg --batch --quiet --passphrase '' --quick-gen-key probe@example.org default default never 2> /dev/null; echo $?; "
         "gpg --batch --quiet --trust-model always -r probe@example.org -o text.gpg -e text; gpg --batch --quiet -d text.gpg | cmp - text; echo $?; "
         "gpgconf --kill all; rm -rf gpg text.gpg", "gnupg gpg-agent", before=CORPUS, sees=("gpg",)),
    tool("ssh-keygen", "ssh-keygen -q -t ed25519 -N '' -C probe -f key; ssh-keygen -l -f key.pub | wc -w; ssh-keygen -y -f key | cmp - key.pub; ssh -G localhost | grep -c . ",
         "openssh-client", sees=("ssh-keygen", "ssh")),
    tool("rsync", "mkdir a; split -n l/20 text a/x; rsync -a --checksum a/ b/; echo more >> a/xaa; touch -d @1700000000 a/xaa; rsync -ain a/ b/ | cut -c1-11; rsync -a --delete a/ b/; diff -r a b; echo $?",
         "rsync", before=CORPUS, sees=("rsync",)),
    tool("git", """export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
        git clone -q repository copy; cd copy; git config user.name a; git config user.email a@b; git checkout -q -b side HEAD~2; echo x > new; git add new; git commit -qm new
        git merge -q -m merged main; git log --oneline --graph; git grep -c 7; git blame file | tail -1; git gc -q; git fsck; git bundle create -q ../b main; git archive HEAD | tar t
        git rebase -q main; git status --short; git format-patch --stdout HEAD~1 | wc -l; git stash list; git push -q origin side; git cat-file -p HEAD^{tree}; rm .git/index""",
         "git", before=REPOSITORY, sees=("git",), timeout=300),
    tool("dpkg", "dpkg -l bash libc6 | tail -2 | wc -l; dpkg -L bash | md5sum; dpkg-query -S /bin/bash; dpkg --verify bash; mkdir -p p/DEBIAN p/usr/share/probe; echo hi > p/usr/share/probe/f; "
         "printf 'Package: probe\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: x\\n' > p/DEBIAN/control; SOURCE_DATE_EPOCH=0 dpkg-deb --root-owner-group -b p probe.deb; "
         "dpkg-deb -c probe.deb | awk '{print $1, $6}'; dpkg-deb -x probe.deb out; cat out/usr/share/probe/f", "dpkg", sees=("dpkg", "dpkg-query", "dpkg-deb")),
    tool("apt", "apt-cache policy bash | head -3; apt-cache depends bash | md5sum; apt-cache search --names-only '^coreutils$'; apt-get -s install hello 2>&1 | tail -2; apt-config dump | md5sum",
         "apt", sees=("apt-cache", "apt-get", "apt-config")),
    tool("man", "man -P cat ls | md5sum; man -P cat 1 no-such-page; echo $?; zcat -f /usr/share/man/man1/ls.1.gz | groff -mandoc -Tutf8 2> /dev/null | md5sum; apropos -e no-such; echo $?",
         "man-db groff-base", sees=("man",)),
    tool("m4", ["m4", "-DN=200", "-s"], "m4"),
    tool("bison", "printf '%%token A\\n%%%%\\ns: A s | ;\\n' > g.y; bison -o g.c g.y; md5sum g.c; bison --version | head -1", "bison", sees=("bison",)),
    tool("file", "file -b /bin/bash /etc/passwd text; file --mime-type text", "file", before=CORPUS, sees=("file",)),
    tool("xmllint and xsltproc", """(echo '<a>'; for i in $(seq 2000); do echo "<b i='$i'><c>$i</c></b>"; done; echo '</a>') > x.xml
        xmllint --xpath 'count(//b[@i mod 3 = 0])' x.xml; echo; xmllint --format x.xml | md5sum; xmllint --noout /etc/passwd; echo $?
        echo '<s:stylesheet version="1.0" xmlns:s="http://www.w3.org/1999/XSL/Transform"><s:template match="/"><s:value-of select="sum(//c)"/></s:template></s:stylesheet>' > s.xsl; xsltproc s.xsl x.xml""",
         "libxml2-utils xsltproc", sees=("xmllint", "xsltproc")),
    tool("ps top pgrep", "ps -o comm= -p $$; pgrep -x no-such-program; echo $?; top -b -n 1 | sed -n 's/^ *PID.*/PID/p'; free | wc -l; uptime > /dev/null; pidof no-such; echo $?",
         "procps", sees=("ps", "pgrep", "top", "free")),
    tool("lsof of ourselves", ["sh", "-c", "exec 3> x; ls -l /proc/self/fd | awk 'NF > 8 && $9 < 1000 {print $9, $10, $11}' | grep -v -e pipe -e /out -e /err"], sees=("ls",)),
    tool("flock and setpriv", "flock lock sh -c 'echo locked'; setpriv --reuid=65534 --regid=65534 --clear-groups id -u; setpriv --no-new-privs id -u; nohup echo nohup; chrt -o 0 echo chrt; "
         "ionice -c 3 echo ionice; taskset -c 0 echo taskset; stdbuf -o0 echo stdbuf; prlimit --nofile=100 sh -c 'ulimit -n'; script -qec 'echo typed' /dev/null; getopt -o ab: -- -a -b x; "
         "hexdump -C lock; rev <<< abc; column -t <<< 'a b'; logger -s -n 127.0.0.1 --stderr x 2> /dev/null; mountpoint /; findmnt -n -o TARGET /",
         "util-linux", sees=("flock", "setpriv", "id", "chrt", "script")),
    tool("unshare", "unshare -m -u sh -c 'hostname inside; hostname'; unshare -U -r id -u; unshare -p -f --mount-proc sh -c 'echo $$; ps -e -o pid= | wc -l'; unshare -n sh -c 'cat /proc/net/dev | wc -l'; nsenter -t $$ -u hostname | wc -l",
         "util-linux", sees=("unshare",)),
    tool("chroot", "mkdir r; busybox --install r 2> /dev/null || cp /bin/busybox r/busybox; chroot r /busybox echo in; echo $?; rm -rf r", "", sees=("chroot",)),
    tool("su and set-uid", "su nobody -s /bin/sh -c 'id -u'; su nobody -s /bin/sh -c 'exit 3'; echo $?; chage -l root | wc -l; passwd -S root | wc -w", "passwd", sees=("su",)),
    tool("daemon", "setsid sh -c '(sleep 0.3; echo done > daemon.out) > /dev/null 2>&1 &' < /dev/null; while [ ! -s daemon.out ]; do sleep 0.05; done; cat daemon.out; start-stop-daemon --start -b -m -p $PWD/pid -x /bin/sleep -- 30; sleep 0.2; "
         "start-stop-daemon --stop -p $PWD/pid --retry 5; echo $?; rm -f pid", "dpkg", sees=("setsid|dash", "sleep", "start-stop-daemon")),
]

TERMINALS = [
    tool("vim -es", ["vim", "-es", "-u", "NONE", "-i", "NONE", "-c", "%s/quick/slow/g|g/fox 1/d|sort|w! out|qa!", "text"], "vim", before=CORPUS, sees=("vim.*",), group="editors"),
    tool("ed and ex", "printf '1,5p\\n$=\\nq\\n' | ex -s text", "vim", before=CORPUS, sees=("vim.*",), group="editors"),
    tool("emacs --batch", ["emacs", "--batch", "-Q", "--eval", "(progn (find-file \"text\") (while (re-search-forward \"fox\" nil t) (replace-match \"dog\")) (write-file \"out\") "
                           "(message \"%d %s\" (buffer-size) (shell-command-to-string \"echo sub\")) (garbage-collect) (kill-emacs 5))"], "emacs-nox", before=CORPUS, sees=("emacs.*",), group="editors"),
    tool("tmux", "export TMUX_TMPDIR=$PWD/tmp; tmux -f /dev/null new-session -d -s probe -x 80 -y 24 'echo inside > t.out; sleep 30'; while [ ! -s t.out ]; do sleep 0.05; done; cat t.out; tmux list-sessions -F '#{session_name}'; "
         "tmux send-keys -t probe x; tmux kill-server; sleep 0.3; rm -rf tmp/*", "tmux", sees=("tmux",), group="editors"),
    tool("screen", "export SCREENDIR=$PWD/scr; mkdir -m 700 scr; screen -c /dev/null -dmS probe sh -c 'echo inside > s.out; sleep 30'; while [ ! -s s.out ]; do sleep 0.05; done; cat s.out; screen -S probe -X quit; sleep 0.5; rm -rf scr",
         "screen", sees=("screen",), group="editors"),
    tool("expect", ["expect", "-c", "spawn -noecho sh -c {read x; echo got $x; exit 4}; send \"hello\\r\"; expect {got hello}; expect eof; puts [lindex [wait] 3]"], "expect", group="editors"),
]

COMPILERS = [
    tool("g++", "g++ -O2 -pthread a.cc -o a.out && ./a.out; nm -C a.out | wc -l; objdump -d a.out | tail -1; strip a.out; readelf -h a.out | grep Machine; ar rc lib.a a.out; ar t lib.a",
         "g++ binutils", before=CPP, sees=("cc1plus", "a.out", "x86_64-linux-gnu-g\\+\\+.*", "x86_64-linux-gnu-nm"), group="compilers"),
    tool("g++ errors", "sed -i 's/counts\\[/cuonts[/' a.cc; g++ -O0 -c a.cc; echo $?; g++ -flto -frandom-seed=1 -O1 -c -x c++ /dev/null -o e.o", "g++", before=CPP, sees=("cc1plus",), group="compilers"),
    tool("clang", "clang -O2 -x c++ -fsyntax-only a.cc; clang -O1 -c -x c - -o a.o <<< 'int f(int x) { return x * 3; }'; objdump -d a.o | tail -2", "clang", before=CPP, sees=("clang.*",), group="compilers"),
    tool("make -j of C", "for i in $(seq 12); do echo \"int f$i(void) { return $i; }\" > f$i.c; done; printf 'OBJECTS := $(patsubst %%.c,%%.o,$(wildcard f*.c))\\nall: $(OBJECTS)\\n\\t@$(AR) rc lib.a $^\\n%%.o: %%.c\\n\\t@$(CC) -O2 -c $< -o $@\\n' > Makefile; "
         "make -s -j4; ar t lib.a | sort; make -n; make -q; echo $?; make no-such; echo $?", "make gcc", sees=("make", "cc1"), group="compilers"),
    tool("cmake and ninja", "cmake -G Ninja -DCMAKE_BUILD_TYPE=Release -B out . > /dev/null && ninja -C out | tail -1; ctest --test-dir out 2>&1 | grep -c Passed; out/probe; rm -rf out",
         "cmake ninja-build g++", before=CMAKE, sees=("cmake", "ninja", "ctest", "probe"), group="compilers", timeout=300),
    tool("meson", "printf \"project('probe', 'cpp')\\nexecutable('probe', 'a.cc', dependencies: dependency('threads'))\\n\" > meson.build; meson setup out > /dev/null && ninja -C out > /dev/null; out/probe; rm -rf out",
         "meson ninja-build g++", before=CPP, sees=("ninja", "probe"), group="compilers", timeout=300),
    tool("autoconf", "printf 'AC_INIT([probe],[1])\\nAC_PROG_CC\\nAC_CHECK_HEADERS([stdio.h nosuch.h])\\nAC_CONFIG_FILES([out])\\nAC_OUTPUT\\n' > configure.ac; echo '@CC@' > out.in; autoconf && ./configure -q > /dev/null; cat out; md5sum < configure; rm -rf autom4te.cache config.log",
         "autoconf gcc", sees=("perl", "m4", "dash|bash"), group="compilers", timeout=300),
    tool("gfortran", "printf 'program p\\nreal(8) :: a(100,100)\\ncall random_seed(put=[(i,i=1,33)])\\na = 1.5d0\\nprint *, sum(matmul(a,a))\\nend\\n' > p.f90; gfortran -O2 p.f90 -o p && ./p", "gfortran", sees=("f951", "p"), group="compilers"),
    tool("gdb --batch", "gcc -g -O0 -pthread -x c - -o d <<< 'int g(int x) { return x * 2; } int main(void) { return g(21); }'; gdb --batch -nx -ex 'break g' -ex run -ex bt -ex 'print x' -ex finish -ex continue ./d 2>&1 | grep -v -e warning -e thread_db -e 'Temporary' ",
         "gdb gcc", sees=("gdb",), group="compilers"),
    tool("strace", "strace -f -o trace -e trace=execve sh -c '/bin/true; exit 3'; echo $?; grep -c 'execve(\"/bin/true\"' trace; rm trace; strace -qq -e trace=none -e signal=none -e status=none true", "strace", sees=("strace",), group="compilers"),
    tool("valgrind", "gcc -g -x c - -o v <<< '#include <stdlib.h>\nint main(void) { char *p = malloc(10); p[3] = 1; return p[3] - 1; }'; valgrind -q --leak-check=no ./v; echo $?", "valgrind gcc", sees=("v|valgrind.*|memcheck.*",), group="compilers"),
    tool("elfutils", "eu-readelf -h /bin/bash | md5sum; eu-nm -D /bin/bash | md5sum; eu-stack -p $$ > /dev/null; echo $?", "elfutils", sees=("eu-readelf", "eu-nm"), group="compilers"),
]

MEDIA = [
    tool("ffmpeg", "ffmpeg -v error -f lavfi -i testsrc=size=160x120:rate=10:duration=2 -f lavfi -i sine=frequency=440:duration=2 -c:v libx264 -threads 2 -c:a aac -flags +bitexact -fflags +bitexact -y a.mp4; "
         "ffprobe -v error -show_entries stream=codec_name,nb_frames a.mp4; ffmpeg -v error -i a.mp4 -f framemd5 -", "ffmpeg", sees=("ffmpeg", "ffprobe"), group="media"),
    tool("ImageMagick", "/usr/bin/convert-im6.q16 -size 200x200 gradient:red-blue -blur 0x3 -resize 50% a.png; /usr/bin/identify-im6.q16 -format '%w %h %#\\n' a.png; /usr/bin/compare-im6.q16 -metric AE a.png a.png null:; rm a.png",
         "imagemagick", sees=("convert-im6.q16", "identify-im6.q16"), group="media"),
    tool("sox", "sox -n -r 8000 a.wav synth 1 sine 440; sox a.wav -n stat 2>&1 | head -5; sox a.wav b.wav reverse; md5sum < b.wav; rm a.wav b.wav", "sox", sees=("sox",), group="media"),
    tool("ghostscript", "printf '%%!\\n/Times-Roman findfont 20 scalefont setfont 72 72 moveto (probe) show showpage\\n' > a.ps; gs -q -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r36 -o a.ppm a.ps; md5sum a.ppm", "ghostscript", sees=("gs",), group="media"),
    tool("qpdf and poppler", "printf '%%!\\n/Times-Roman findfont 20 scalefont setfont 72 72 moveto (probe) show showpage\\n' > a.ps; gs -q -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -o a.pdf a.ps; pdftotext a.pdf -; qpdf --check a.pdf | tail -1; "
         "pdftoppm -r 30 a.pdf p; md5sum p*.ppm; rm a.pdf", "qpdf poppler-utils ghostscript", sees=("qpdf", "pdftotext", "pdftoppm"), group="media"),
    tool("gnuplot", ["gnuplot", "-e", "set terminal dumb 60 15; plot sin(x)"], "gnuplot-nox", sees=("gnuplot.*",), group="media"),
    tool("graphviz", "echo 'digraph { a -> b -> c; a -> c; }' | dot -Tplain", "graphviz", sees=("dot|libgvc6-config-update",), group="media"),
    tool("pandoc", ["sh", "-c", "printf '# T\\n\\n* a\\n* *b*\\n' | pandoc -f markdown -t html; printf 'x' | pandoc -f no-such; echo $?"], "pandoc", sees=("pandoc",), group="media"),
]

ROWS = SHELLS + COREUTILS + TOOLS + TERMINALS + COMPILERS + MEDIA
