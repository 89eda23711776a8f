# SPDX-License-Identifier: Apache-2.0
"""Servers with their clients: the same answers, a clean stop, and a recording of the whole tree."""

from execute import Row

WAIT = """wait_for() { for i in $(seq 200); do "$@" > /dev/null 2>&1 && return; sleep 0.05; done; echo "not up: $*"; }
"""


def server(name, command, packages, **more):
    return Row(name, WAIT + command, "servers", packages=packages, **more)


REDIS = """
redis-server --port 0 --unixsocket $PWD/s --save '' --daemonize no --dir $PWD --logfile $PWD/tmp/log & pid=$!
r() { redis-cli -s s "$@"; }
wait_for r ping
"""

NGINX = """
mkdir -p logs html; echo hello > html/index.html; seq 20000 > html/big
cat > nginx.conf <<X
daemon off; master_process on; worker_processes 2; pid $PWD/tmp/nginx.pid; error_log $PWD/tmp/error.log;
events { worker_connections 200; }
http { access_log off; client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c; uwsgi_temp_path tmp/d; scgi_temp_path tmp/e;
server { listen 127.0.0.1:$PORT; root $PWD/html; location /moved { return 302 /; } gzip on; gzip_types *; } }
X
nginx -p $PWD -e tmp/error.log -c $PWD/nginx.conf & pid=$!
wait_for curl -sf http://127.0.0.1:$PORT/
"""

POSTGRES = """
export PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH PGHOST=$PWD/tmp PGPORT=$PORT PGUSER=nobody
initdb -D data -U nobody -A trust --no-sync > init.log 2>&1; echo initdb $?
pg_ctl -D data -w -o "-c listen_addresses='' -k $PWD/tmp -p $PORT -c fsync=off -c logging_collector=off" -l log start > /dev/null; echo start $?
"""

ROWS = [
    server("redis-server and redis-benchmark", REDIS + """
        r set a 1; r incr a; for i in $(seq 50); do echo "rpush l $i"; done | r > /dev/null; r lrange l 0 4; r eval 'return redis.call("llen", "l")' 0
        redis-benchmark -s s -n 20000 -c 20 -P 4 -t set,get,lpush,zadd -q > bench; echo $?; tr '\\r' '\\n' < bench | grep -c 'requests per second'; rm bench
        r dbsize; r debug jmap; r bgsave; sleep 1; r lastsave > /dev/null; rm -f dump.rdb; r shutdown nosave; wait $pid; echo stopped $?; rm -f tmp/log""",
           "redis-server redis-tools", sees=("redis-check-rdb|redis-server", "redis-benchmark", "redis-cli|redis-check-rdb")),
    server("redis-server stopped by SIGTERM", REDIS + "r set a 1; kill -TERM $pid; wait $pid; echo stopped $?; rm -f tmp/log", "redis-server redis-tools", sees=("redis-check-rdb|redis-server",)),
    server("memcached", """memcached -u root -s $PWD/s -t 2 & pid=$!
        wait_for test -S s; printf 'set k 0 0 5\\r\\nhello\\r\\nget k\\r\\nincr k 1\\r\\nquit\\r\\n' | nc -U -q 1 s; kill -TERM $pid; wait $pid; echo stopped $?""", "memcached netcat-openbsd", sees=("memcached",)),
    server("nginx with wrk", NGINX + """
        curl -s http://127.0.0.1:$PORT/; curl -s --compressed http://127.0.0.1:$PORT/big | md5sum; curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:$PORT/none http://127.0.0.1:$PORT/moved
        wrk -t 2 -c 10 -d 1 http://127.0.0.1:$PORT/big > bench; echo $?; grep -c Requests/sec bench; grep -e Socket -e Non-2xx bench; rm bench
        nginx -p $PWD -e tmp/error.log -c $PWD/nginx.conf -s reload; sleep 0.5; curl -s http://127.0.0.1:$PORT/
        kill -QUIT $pid; wait $pid; echo stopped $?; rm -rf tmp/*""", "nginx-light wrk curl", sees=("nginx", "wrk", "curl")),
    server("curl on loopback", """/usr/bin/python3 -m http.server --bind 127.0.0.1 $PORT > /dev/null 2>&1 & pid=$!
        seq 1000 > f; wait_for curl -sf http://127.0.0.1:$PORT/f; curl -s http://127.0.0.1:$PORT/f | md5sum; curl -sS http://127.0.0.1:1/ 2> failed; echo $?; sed "s/after [0-9]* ms/after some ms/" failed; rm failed; curl -sI http://127.0.0.1:$PORT/f | head -1
        curl -s --no-progress-meter --parallel -o 'o#1' "http://127.0.0.1:$PORT/[f-f]"; cmp f of; kill -TERM $pid; wait $pid; echo stopped $?""", "curl", sees=("curl", "python3.*")),
    server("PostgreSQL with pgbench", POSTGRES + """
        psql -d postgres -Atc 'select 1 + 1; create database probe'; pgbench -q -i -s 1 probe > /dev/null 2>&1; echo $?
        pgbench -n -c 4 -j 2 -t 100 probe > bench 2>&1; echo $?; grep 'actually processed' bench; rm bench
        psql -d probe -Atc 'select count(*), sum(abalance) - (select sum(delta) from pgbench_history) from pgbench_accounts; select pg_sleep(0.1); set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select count(distinct bid), sum(aid) from pgbench_accounts; select pg_terminate_backend(pg_backend_pid())'; echo $?
        pg_dump probe | grep -c .; vacuumdb -q probe; echo $?; pg_ctl -D data -m fast stop > /dev/null; echo stop $?; grep -c 'database system is shut down' log; grep -e PANIC -e 'terminated by signal' log; rm -rf data log tmp/* tmp/.s* init.log""",
           "postgresql", user="nobody", sees=("postgres", "pgbench", "psql", "initdb"), timeout=300),
    server("sshd-less socat", """socat UNIX-LISTEN:s,fork EXEC:'tr a-z A-Z' & pid=$!
        wait_for test -S s; for i in 1 2 3; do echo "hello $i" | socat -t 2 - UNIX-CONNECT:s; done; kill $pid; wait $pid; echo stopped $?; rm -f s""", "socat", sees=("socat", "tr")),
    server("python pre-forking server", """cat > s.py <<'X'
import os, signal, socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(50)
children = []
for i in range(4):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        while True:
            c, _ = s.accept(); c.sendall(b'got ' + c.recv(100)); c.close()
    children.append(pid)
def stop(*_):
    for pid in children: os.kill(pid, signal.SIGTERM)
    print(sorted(os.waitpid(pid, 0)[1] for pid in children)); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
while True: signal.pause()
X
        /usr/bin/python3 s.py & pid=$!
        wait_for test -S s; sleep 0.2; for i in $(seq 10); do printf "$i" | nc -U -N s; echo; done; kill $pid; wait $pid; echo stopped $?; rm s""", "netcat-openbsd", sees=("python3.*",)),
    server("sqlite3 with two writers", """sqlite3 base 'pragma journal_mode=wal; create table t(a)'
        for w in 1 2; do (for i in $(seq 20); do sqlite3 -cmd '.timeout 20000' base "insert into t values($w)"; done) & done; wait; sqlite3 base 'select a, count(*) from t group by a; pragma integrity_check'; rm -f base*""", "sqlite3", sees=("sqlite3",)),
    server("systemd-run", "systemd-run --user --wait true; echo $?; systemctl is-system-running; systemd-analyze calendar '2020-01-01' | head -2; systemd-tmpfiles --version | head -1", "systemd", sees=("systemd-run", "systemctl")),
]
