# A link to another host of FarHost.psm1 that is as fast and as far as a network between machines: a veth pair, with a token bucket at both
# ends, and ssh's ProxyCommand, which holds back what comes and what goes, since not every kernel has netem.

# What waits is in a pipe, and is moved there and on by the kernel: nothing is copied.
$script:proxy = @'
import fcntl, os, queue, select, socket, sys, threading, time
F_SETPIPE_SZ, PART = 1031, 1 << 20
address, port, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.create_connection((address, port))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for each in 0, 1:
    fcntl.fcntl(each, F_SETPIPE_SZ, PART)
def carry(source, target, end):
    held, holds = os.pipe()
    fcntl.fcntl(holds, F_SETPIPE_SZ, PART)
    times = queue.SimpleQueue()
    def deliver():
        while (part := times.get())[1]:
            wait = part[0] - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            left = part[1]
            while left:
                left -= os.splice(held, target, left)
        end()
    threading.Thread(target=deliver).start()
    count = 1
    while count:
        select.select([source], [], []) # a splice that waits keeps the pipe locked
        count = os.splice(source, holds, PART)
        times.put((time.monotonic() + delay, count))
threading.Thread(target=carry, args=(0, s.fileno(), lambda: s.shutdown(socket.SHUT_WR)), daemon=True).start()
carry(s.fileno(), 1, lambda: os._exit(0))
'@

<#
.SYNOPSIS
Connects a host of FarHost.psm1 over a link; ssh uses it from then on.
#>
function Connect-FarHost {
    [CmdletBinding()]
    param(
        # The host.
        [Parameter(Mandatory)]
        $FarHost,

        # A host of FarHost.psm1 that does nothing else: this end of the link is in its network namespace.
        [Parameter(Mandatory)]
        $NearHost,

        # The rate, as tc takes it.
        [string] $Rate = '1gbit',

        # One way, in milliseconds.
        [double] $Delay = 1
    )
    $folder = Split-Path $FarHost.Folder
    ip link add near netns $NearHost.InitId type veth peer name far netns $FarHost.InitId
    foreach ($end in ('near', '10.9.0.1', $NearHost), ('far', '10.9.0.2', $FarHost)) {
        nsenter "--net=/proc/$($end[2].InitId)/ns/net" sh -ec "ip addr add $($end[1])/24 dev $($end[0]); ip link set $($end[0]) up; tc qdisc add dev $($end[0]) root tbf rate $Rate burst 256k latency 20ms"
        if ($LASTEXITCODE -ne 0) { throw 'the link could not be made' }
    }
    $start = [Diagnostics.ProcessStartInfo]::new('nsenter', [string[]](
            '--target', $FarHost.InitId, '--pid', '--net', '--mount', (Find-Program sshd), '-D', '-f', "$($FarHost.Folder)/sshd_config", '-E', "$($FarHost.Folder)/sshd.log",
            '-o', 'ListenAddress=10.9.0.2', '-o', 'PidFile=none'))
    $null = [Diagnostics.Process]::Start($start) # ends with the host
    Set-Content "$folder/link.py" $script:proxy
    $through = "ProxyCommand $(Find-Program nsenter) --net=/proc/$($NearHost.InitId)/ns/net $(Find-Program python3) $folder/link.py 10.9.0.2 22 $($Delay / 1000)"
    $config = Get-Content "$folder/ssh_config" -Raw
    Set-Content "$folder/ssh_config" ($config -replace "ProxyCommand .*$([regex]::Escape("$($FarHost.Folder)/socket"))", $through)
    Wait-Until { & $FarHost.Ssh $FarHost.Name true 2>/dev/null; $LASTEXITCODE -eq 0 } "$($FarHost.Name) is there over the link"
}

<#
.SYNOPSIS
Starts the host blue behind such a link, and returns it.
#>
function Start-LinkedHost {
    [CmdletBinding()]
    param(
        # Where its files are.
        [Parameter(Mandatory)]
        [string] $Folder,

        # The rate, as tc takes it.
        [string] $Rate = '1gbit',

        # One way, in milliseconds.
        [double] $Delay = 1
    )
    $blue = Start-FarHost blue $Folder
    Connect-FarHost $blue (Start-FarHost near $Folder -Bare) -Rate $Rate -Delay $Delay
    $blue
}

<#
.SYNOPSIS
Starts a program in Python that writes a line to its first argument, a file, when it is ready; lets it rest, empties the file, and returns its id.
#>
function Start-NotingProgram([string] $Script, [string] $Notes, [object[]] $Arguments) {
    Remove-Item -LiteralPath $Notes -ErrorAction Ignore
    $id = Start-TestProgram "$(Find-Program python3) $Script $Notes $Arguments"
    Wait-Until { Test-Path -LiteralPath $Notes } 'the process is ready'
    Start-Sleep -Milliseconds 1500
    Set-Content -LiteralPath $Notes '' -NoNewline
    $id
}

<#
.SYNOPSIS
The path of the criu that PSCrac uses.
#>
function Get-CriuPath { (Test-CracEnvironment | Where-Object Name -EQ criu).Detail -replace '^\S+ at (.*) \(from .*\)$', '$1' }

<#
.SYNOPSIS
How long plain criu takes to dump a process, in milliseconds.
#>
function Measure-PlainDump([string] $Criu, [int] $Id, [string] $Folder) {
    $null = New-Item -ItemType Directory "$Folder/plain"
    $watch = [Diagnostics.Stopwatch]::StartNew()
    & $Criu dump -t $Id -D "$Folder/plain" -o dump.log
    $watch.Elapsed.TotalMilliseconds
    Remove-Item -Recurse -Force "$Folder/plain"
}

<#
.SYNOPSIS
How long ssh takes to bring a file to a host, in milliseconds.
#>
function Measure-SshCat($FarHost, [string] $File) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    sh -c "'$($FarHost.Ssh)' $($FarHost.Name) 'cat >$($FarHost.Folder)/bytes' <'$File'"
    $watch.Elapsed.TotalMilliseconds
}

Export-ModuleMember -Function Connect-FarHost, Start-LinkedHost, Start-NotingProgram, Get-CriuPath, Measure-PlainDump, Measure-SshCat
