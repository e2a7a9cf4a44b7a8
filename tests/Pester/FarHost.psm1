# Other hosts for moves: each has pid, mount and network namespaces of its own, and a sshd of the tests' own. ssh reaches it over a socket in
# the file system, from this host and from any other. Its files are those of this host; its images and its state are in a folder of its own.

Import-Module "$PSScriptRoot/Support.psm1"

# Starts sshd for each connection to a socket.
$script:listener = @'
import socket, subprocess, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    c, _ = s.accept()
    subprocess.Popen(sys.argv[2:], stdin=c, stdout=c)
    c.close()
'@

# Connects ssh with the socket.
$script:relay = @'
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def send():
    while part := os.read(0, 1 << 16):
        s.sendall(part)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while part := s.recv(1 << 16):
    while part:
        part = part[os.write(1, part):]
'@

$script:holders = [Collections.Generic.List[Diagnostics.Process]]::new()

<#
.SYNOPSIS
Starts one, which ssh knows by its name from then on, until Exit-CracTest.
#>
function Start-FarHost {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [string] $Name,

        # Where its files are.
        [Parameter(Mandatory)]
        [string] $Folder,

        # Run in it before anything else.
        [string] $Setup = ':',

        # The folders in which its pwsh finds modules.
        [string[]] $ModulePath = [IO.Path]::GetFullPath("$PSScriptRoot/../../out"),

        # Without pwsh.
        [switch] $Bare
    )
    $at = Join-Path $Folder $Name
    $null = New-Item -ItemType Directory $at, "$at/bin"
    $init = @'
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(.005)
'@
    $script = "ip link set lo up; mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/sshd; $Setup; echo `$PPID >'$at/up'; exec '$(Find-Program python3)' -c '$init'"
    $start = [Diagnostics.ProcessStartInfo]::new('unshare', [string[]]('--pid', '--fork', '--mount', '--mount-proc', '--net', '--kill-child', 'sh', '-c', $script))
    $start.Environment.Clear()
    $start.Environment['PATH'] = $env:PATH
    $holder = [Diagnostics.Process]::Start($start)
    $script:holders.Add($holder)
    Wait-Until { Test-Path "$at/up" } "$Name is up"
    $id = @(Get-ChildId $holder.Id)[0]
    ssh-keygen -q -t ed25519 -N '' -f "$at/host_key"
    if (-not (Test-Path "$Folder/user_key")) { ssh-keygen -q -t ed25519 -N '' -f "$Folder/user_key" }
    Add-Content "$Folder/known_hosts" "$Name $(Get-Content "$at/host_key.pub")"
    if (-not $Bare) {
        Set-Content "$at/bin/pwsh" "#!/bin/sh`nexec $((Get-PwshCommand).ForEach({ "'$_'" }) -join ' ') `"`$@`""
        chmod 755 "$at/bin/pwsh"
    }
    $variables = @(
        "PATH=$at/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        "PSModulePath=$($ModulePath -join ':')"
        "XDG_DATA_HOME=$at/data"
        "PSCRAC_STATE_ROOT=$at/state"
        "PSCRAC_SSH=$Folder/ssh"
        "PSCRAC_LOG_ROOT=$at/logs"
        # A module that is elsewhere does not find the private copy of criu.
        if ($PSBoundParameters.ContainsKey('ModulePath') -and -not $env:CRAC_CRIU_PATH) {
            "CRAC_CRIU_PATH=$((Test-CracEnvironment | Where-Object Name -EQ criu).Detail -replace '^\S+ at (.*) \(from .*\)$', '$1')"
        }
        foreach ($each in 'CRAC_CRIU_PATH', 'CRAC_LIBCRIU_PATH', 'DOTNET_ROOT') {
            if ($value = [Environment]::GetEnvironmentVariable($each)) { "$each=$value" }
        }
    )
    Set-Content "$at/sshd_config" @"
HostKey $at/host_key
AuthorizedKeysFile $Folder/user_key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
SetEnv $($variables.ForEach({ "`"$_`"" }) -join ' ')
"@
    Add-Content "$Folder/ssh_config" @"
Host $Name
    User root
    IdentityFile $Folder/user_key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile $Folder/known_hosts
    StrictHostKeyChecking yes
    ProxyCommand $(Find-Program python3) $Folder/relay.py $at/socket
"@
    Set-Content "$Folder/relay.py" $script:relay
    Set-Content "$at/listener.py" $script:listener
    $words = '--target', $id, '--pid', '--net', '--mount', (Find-Program python3), "$at/listener.py", "$at/socket", (Find-Program sshd), '-i', '-f', "$at/sshd_config", '-E', "$at/sshd.log"
    $script:holders.Add([Diagnostics.Process]::Start([Diagnostics.ProcessStartInfo]::new('nsenter', [string[]] $words)))
    Wait-Until { Test-Path "$at/socket" } "$Name listens"
    if (-not (Test-Path "$Folder/ssh")) {
        Set-Content "$Folder/ssh" "#!/bin/sh`nexec $(Find-Program ssh) -F '$Folder/ssh_config' `"`$@`""
        chmod 700 "$Folder/ssh"
    }
    Set-TestVariable 'PSCRAC_SSH' "$Folder/ssh"
    [pscustomobject]@{ Name = $Name; InitId = $id; Folder = $at; Ssh = "$Folder/ssh" }
}

<#
.SYNOPSIS
Ends them, and with each what runs in it.
#>
function Stop-FarHost {
    [CmdletBinding()]
    param()
    foreach ($holder in $script:holders) {
        $holder.Kill()
    }
    foreach ($holder in $script:holders) {
        $holder.WaitForExit()
    }
    $script:holders.Clear()
}

<#
.SYNOPSIS
The processes of a host whose current folder is this one, by their ids here.
#>
function Get-FarProcessId($FarHost, [string] $Folder) {
    $its = (Get-Item "/proc/$($FarHost.InitId)/ns/pid").Target
    foreach ($directory in [IO.Directory]::EnumerateDirectories('/proc')) {
        $id = 0
        if ([int]::TryParse([IO.Path]::GetFileName($directory), [ref] $id)) {
            if ([IO.FileInfo]::new("$directory/cwd").LinkTarget -eq $Folder -and [IO.FileInfo]::new("$directory/ns/pid").LinkTarget -eq $its) { $id }
        }
    }
}
