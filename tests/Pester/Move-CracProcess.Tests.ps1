# Moves between this host and others in namespaces of their own, by the real ssh and a real sshd.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1", "$PSScriptRoot/FarHost.psm1"
    $obstacle = Get-CriuObstacle sshd, ssh, ssh-keygen, ip, nft, nsenter, unshare, python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1", "$PSScriptRoot/FarHost.psm1"
    $folder = Enter-CracTest

    # Both hosts see the file: a number that is there twice was written by two, one that is missing was lost.
    function Start-Step([string] $Path) {
        $null = New-Item -ItemType Directory -Force $Path
        $program = @'
import os, time
f = os.open('count', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
n = 0
while True:
    n += 1
    os.write(f, b'%d\n' % n)
    time.sleep(.005)
'@
        Set-Content "$Path/step.py" $program
        $id = Start-TestProgram "$(Find-Program python3) $Path/step.py"
        $id
    }

    function Start-StepIn([string] $Path) {
        $null = New-Item -ItemType Directory -Force $Path
        $before = [Environment]::CurrentDirectory
        Push-Location $Path
        try {
            [Environment]::CurrentDirectory = $Path
            Start-Step $Path
        }
        finally {
            Pop-Location
            [Environment]::CurrentDirectory = $before
        }
        Wait-Count "$Path/count" 3
    }

    function Assert-Count([string] $Path) {
        Wait-CountingOn "$Path/count"
        $numbers = Get-Count "$Path/count"
        $numbers | Should -Be (1..$numbers.Count)
    }
}

AfterAll {
    if (-not $obstacle) { Stop-FarHost }
    Exit-CracTest
}

Describe "Move-CracProcess$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $blue = Start-FarHost blue $folder
        $bare = Start-FarHost bare $folder -Bare

        # One answers, the other asks again and again, and notes the answers.
        Set-Content "$folder/echo.py" @'
import os, socket, sys
os.closerange(3, 1024) # what the test's shell left open belongs to its mount namespace
s = socket.create_server((sys.argv[1], 7000))
c, _ = s.accept()
while part := c.recv(4096):
    c.sendall(part)
'@
        Set-Content "$folder/ask.py" @'
import socket, sys, time
for _ in range(200):
    try:
        c = socket.create_connection((sys.argv[1], 7000))
        break
    except OSError:
        time.sleep(.05)
f = open(sys.argv[2], 'w', buffering=1)
n = 0
while True:
    n += 1
    want = b'%d\n' % n
    c.sendall(want)
    got = b''
    while len(got) < len(want):
        got += c.recv(4096)
    f.write(got.decode())
    time.sleep(.01)
'@
    }

    It 'moves a process, which goes on where it was' {
        $id = Start-StepIn "$folder/one"

        $moved = Move-CracProcess -Id $id -HostName blue

        $moved | Should -BeOfType PSCrac.CracMovedProcess
        $moved.State | Should -Be 'Moved'
        $moved.RemoteProcessId | Should -Be $id
        $moved.SourceProcessId | Should -Be $id
        $moved.Downtime | Should -BeGreaterThan $moved.TransferTime
        Get-FarProcessId $blue "$folder/one" | Should -HaveCount 1
        Get-Process -Id $id -ErrorAction Ignore | Should -BeNullOrEmpty
        Assert-Count "$folder/one"
        Get-CracImage | Should -BeNullOrEmpty
        Get-ChildItem "$($blue.Folder)/state/images" -Force | Should -BeNullOrEmpty
        & $blue.Ssh blue "pwsh -c '(Get-CracProcess).Id'" | Should -Be $id
        & $blue.Ssh blue "pwsh -c '(Get-CracProcess).ImagePath'" | Should -Match "^$($blue.Folder)/state/images/python3[.\d]*-$id-\w+`$" -Because 'the folder of the meantime has gone'
    }

    It 'is received by <Receiver> where <Where>' -ForEach @(
        @{ Where = 'crac-start was compiled ahead'; Name = 'ahead'; Path = { "$root/out" }; Receiver = 'crac-start' }
        @{ Where = 'it was not'; Name = 'plain'; Path = { "$folder/plain-modules" }; Receiver = 'pwsh' }
        @{ Where = 'two versions leave open which one pwsh imports'; Name = 'two'; Path = { "$folder/versions", "$root/out" }; Receiver = 'pwsh' }
    ) {
        $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
        if ($Name -eq 'ahead' -and -not (Test-Path "$root/out/PSCrac/crac-start")) {
            Set-ItResult -Skipped -Because 'crac-start was not compiled ahead'
            return
        }
        $null = New-Item -ItemType Directory "$folder/plain-modules/PSCrac", "$folder/versions/PSCrac" -Force
        Get-ChildItem "$root/out/PSCrac" | Where-Object Name -NE crac-start | ForEach-Object { $null = New-Item -ItemType SymbolicLink -Force "$folder/plain-modules/PSCrac/$($_.Name)" -Target $_.FullName }
        $null = New-Item -ItemType SymbolicLink -Force "$folder/versions/PSCrac/0.1.0" -Target "$root/out/PSCrac"
        $there = Start-FarHost $Name $folder -ModulePath (& $Path)
        $id = Start-StepIn "$folder/by-$Name"
        $global:commands = @()

        $moved = Move-CracProcess -Id $id -HostName $Name -BeforeRestore {
            $global:commands = & $there.Ssh $Name 'for each in /proc/[0-9]*/cmdline; do tr "\0" " " <$each; echo; done'
        }

        $moved.State | Should -Be Moved
        $global:commands -match ($Receiver -eq 'pwsh' ? '^\S*(pwsh|dotnet) .*MoveReceiver' : '^\S*/crac-start --receive') | Should -HaveCount 1
        Assert-Count "$folder/by-$Name"
        Get-ChildItem "$($there.Folder)/state/images" -Force | Should -BeNullOrEmpty
        Remove-Variable commands -Scope Global
    }

    It 'moves several side by side, by the pipeline, and keeps the images that are wanted' {
        $ids = 1..3 | ForEach-Object { Start-StepIn "$folder/side$_" }

        $module = (Get-Module PSCrac).Path
        $moved = Get-Process -Id $ids | ForEach-Object -Parallel {
            Import-Module $using:module
            $_ | Move-CracProcess -HostName blue -KeepImage
        }

        $moved.SourceProcessId | Sort-Object | Should -Be ($ids | Sort-Object)
        1..3 | ForEach-Object { Assert-Count "$folder/side$_" }
        $moved.ImagePath | Should -Exist
        $moved.RemoteImagePath | Should -Exist
        $moved.ImagePath | Remove-CracImage
    }

    It 'asks both sides for -WhatIf, and moves nothing' {
        $id = Start-StepIn "$folder/asked"

        $shown = Invoke-ChildPwsh "Move-CracProcess -Id $id -HostName blue -WhatIf"

        $shown.Output | Should -Match 'What if: .*Move .*step\.py'
        $shown.Error | Should -BeNullOrEmpty
        Get-Process -Id $id | Should -Not -BeNullOrEmpty
        Get-ChildItem "$($blue.Folder)/state/images" -Force -Filter 'python*' | Where-Object Name -Match "-$id-" | Should -BeNullOrEmpty
        Stop-Process -Id $id -Force
    }

    It 'runs -BeforeRestore once with the plan, and -OnFallback where the process stays' {
        $id = Start-StepIn "$folder/fallback"
        $global:calls = [Collections.Generic.List[string]]::new()

        Move-CracProcess -Id $id -HostName blue -ErrorVariable failure -ErrorAction SilentlyContinue -BeforeRestore {
            $global:calls.Add("before $($_.ProcessId) $($_.HostName)")
            throw 'no address'
        } -OnFallback { $global:calls.Add("fallback $($_.ProcessId)") } | Should -BeNullOrEmpty

        $global:calls | Should -Be "before $id blue", "fallback $id"
        $failure[0].Exception.Message | Should -Match 'no address.*continues here'
        Get-Process -Id $id | Should -Not -BeNullOrEmpty
        Assert-Count "$folder/fallback"
        Get-CracImage | Should -BeNullOrEmpty
        Stop-Process -Id $id -Force
        Remove-Variable calls -Scope Global
    }

    It 'lets the process continue here when the pipeline is stopped, after -OnFallback' {
        $id = Start-StepIn "$folder/stopped"
        $shell = [powershell]::Create()
        $null = $shell.AddScript(@"
            Import-Module '$(Split-Path (Get-Module PSCrac).Path)/PSCrac.psd1'
            Move-CracProcess -Id $id -HostName blue -BeforeRestore {
                Set-Content '$folder/frozen' `$_.ProcessId
                while (`$true) { Start-Sleep -Milliseconds 20 }
            } -OnFallback { Set-Content '$folder/undone' `$_.ProcessId }
"@)
        $running = $shell.BeginInvoke()
        Wait-Until { (Test-Path "$folder/frozen") -or $running.IsCompleted } 'the process is frozen'
        $shell.Stop()
        $shell.InvocationStateInfo.State | Should -Be 'Stopped' -Because 'it had not ended before'
        $shell.Dispose()

        Get-Content "$folder/undone" | Should -Be $id
        Get-Process -Id $id | Should -Not -BeNullOrEmpty
        Assert-Count "$folder/stopped"
        Get-CracImage | Should -BeNullOrEmpty
        Get-FarProcessId $blue "$folder/stopped" | Should -BeNullOrEmpty
        Stop-Process -Id $id -Force
    }

    It 'lets the process continue here when what receives it is killed, and moves again' {
        $id = Start-StepIn "$folder/orphan"

        Move-CracProcess -Id $id -HostName blue -ErrorVariable failure -ErrorAction SilentlyContinue -BeforeRestore {
            & $blue.Ssh blue 'for each in /proc/[0-9]*; do case $(tr "\0" " " <$each/cmdline) in /*crac-start\ --receive*|/*MoveReceiver*) kill -9 ${each#/proc/}; echo $each >&2;; esac; done' 2>"$folder/killed"
        } | Should -BeNullOrEmpty

        Get-Content "$folder/killed" | Should -HaveCount 1
        $failure | Should -HaveCount 1
        Get-Process -Id $id | Should -Not -BeNullOrEmpty
        Assert-Count "$folder/orphan"
        Get-CracImage | Should -BeNullOrEmpty

        # The next one there removes what it has left.
        (Move-CracProcess -Id $id -HostName blue).State | Should -Be Moved
        Assert-Count "$folder/orphan"
        Get-ChildItem "$($blue.Folder)/state/images" -Force -Filter '.pscrac-*' | Should -BeNullOrEmpty
    }

    It 'warns of a move whose session was killed when the process had ended here' {
        $moves = (New-Item -ItemType Directory -Force "$env:PSCRAC_STATE_ROOT/moves").FullName
        $image = Invoke-CracCheckpoint -Id (Start-StepIn "$folder/lost") -ImageName lost
        $record = [ordered]@{
            moveId = 'a' * 32; hostName = 'red.example'; processId = $image.RootProcessId; bootId = (Get-Content /proc/sys/kernel/random/boot_id)
            command = 'lost'; imagePath = $image.Path; isGiven = $true; since = [datetimeoffset]::Now; sessionId = 4194303; sessionStartTimeTicks = 1
            tree = @(@{ processId = $image.RootProcessId; startTimeTicks = 1 })
        }
        ConvertTo-Json $record | Set-Content "$moves/$('a' * 32).near.json"
        $id = Start-StepIn "$folder/next"

        $null = Move-CracProcess -Id $id -HostName blue -WhatIf -WarningVariable warning -WarningAction SilentlyContinue
        $warning | Should -Match "red\.example.*not known.*ssh red\.example pwsh -c Get-CracProcess.*Restore-CracProcess '$($image.Path)'"

        # Whoever settles it removes or restores the image.
        $image | Remove-CracImage
        $null = Move-CracProcess -Id $id -HostName blue -WhatIf -WarningVariable warning
        $warning | Should -BeNullOrEmpty
        Get-ChildItem $moves | Should -BeNullOrEmpty
        Stop-Process -Id $id -Force
    }

    It 'moves on to a third host, and back' {
        $green = Start-FarHost green $folder
        $id = Start-StepIn "$folder/back"
        (Move-CracProcess -Id $id -HostName blue).State | Should -Be 'Moved'

        & $blue.Ssh blue "pwsh -c '(Move-CracProcess -Id $id -HostName green -PidNamespace New).State'" | Should -Be 'Moved'
        Get-FarProcessId $blue "$folder/back" | Should -BeNullOrEmpty
        Assert-Count "$folder/back"

        & $blue.Ssh green "pwsh -c '(Get-CracProcess | Move-CracProcess -HostName blue).State'" | Should -Be 'Moved'
        Get-FarProcessId $blue "$folder/back" | Should -HaveCount 1
        Get-FarProcessId $green "$folder/back" | Should -BeNullOrEmpty
        Assert-Count "$folder/back"
    }

    It 'lets it run there before its memory is there' {
        $null = New-Item -ItemType Directory "$folder/lazy"
        Set-Content -LiteralPath "$folder/lazy/program.py" @'
import hashlib, os, sys, time
memory = os.urandom(64 << 20)
told = hashlib.sha256(memory).digest()
n = 0
with open(sys.argv[1], "a", buffering=1) as count:
    while hashlib.sha256(memory).digest() == told:
        n += 1
        count.write("%d\n" % n)
        time.sleep(0.01)
'@
        $id = Start-TestProgram "$(Find-Program python3) $folder/lazy/program.py $folder/lazy/count"
        Wait-Count "$folder/lazy/count" 3

        $moved = Move-CracProcess -Id $id -HostName blue -LazyPages

        $moved.State | Should -Be Moved
        $moved.BytesSentBefore | Should -BeLessThan 8MB
        $moved.BytesSent | Should -BeGreaterThan 64MB
        Assert-Count "$folder/lazy"
    }

    It 'moves a tree, with the pipe between its processes' {
        $null = New-Item -ItemType Directory "$folder/tree"
        $id = Start-TestProgram "bash -c 'cd $folder/tree; (i=0; while :; do i=`$((i+1)); echo `$i; read -t 0.02 <> <(:); done) | while read -r n; do echo `$n >>count; done'"
        Wait-Count "$folder/tree/count" 3

        $moved = Move-CracProcess -Id $id -HostName blue

        $moved.State | Should -Be Moved
        @(Get-FarProcessId $blue "$folder/tree").Count | Should -BeGreaterThan 2
        Assert-Count "$folder/tree"
    }

    It 'moves an open connection with its address, and no exchange is lost' {
        $near = Start-FarHost near $folder -Bare
        $peer = Start-FarHost peer $folder -Bare
        ip link add one netns $peer.InitId type veth peer name eth0 netns $near.InitId
        ip link add two netns $peer.InitId type veth peer name eth0 netns $blue.InitId
        $in = { param($FarHost, $Script) nsenter "--net=/proc/$($FarHost.InitId)/ns/net" sh -ec $Script }
        & $in $peer 'ip link add br0 type bridge; for i in one two; do ip link set $i master br0 up; done; ip addr add 10.9.0.1/24 dev br0; ip link set br0 up'
        & $in $near 'ip addr add 10.9.0.7/24 dev eth0; ip link set eth0 up'
        & $in $blue 'ip link set eth0 up; echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify'
        $id = Start-TestProgram "nsenter --net=/proc/$($near.InitId)/ns/net $(Find-Program python3) $folder/echo.py 10.9.0.7"
        $null = Start-TestProgram "nsenter --net=/proc/$($peer.InitId)/ns/net $(Find-Program python3) $folder/ask.py 10.9.0.7 $folder/answers"
        Wait-Count "$folder/answers" 5

        $ran = Invoke-ChildPwsh -Prefix 'nsenter', "--net=/proc/$($near.InitId)/ns/net" @"
Move-CracProcess -Id $id -HostName blue -TcpEstablished -BeforeRestore {
    ip addr del "`$(`$_.Addresses)/24" dev eth0
    & $($blue.Ssh) blue ip addr add "`$(`$_.Addresses)/24" dev eth0
} | ConvertTo-Json -EnumsAsStrings
"@

        $ran.Error | Should -BeNullOrEmpty
        $ran.Output | Should -Match '"State": "Moved"'
        Wait-CountingOn "$folder/answers"
        $numbers = Get-Count "$folder/answers"
        $numbers | Should -Be (1..$numbers.Count)
        & $in $near 'nft list tables' | Should -BeNullOrEmpty -Because 'the lock has gone with the address'
    }

    It 'moves a worker with its connection, as one types it' {
        # A host of its own, in which Get-Process sees no other worker.
        $near = Start-FarHost desk $folder -Bare
        $peer = Start-FarHost client $folder -Bare
        $far = Start-FarHost blue.example $folder
        ip link add one netns $peer.InitId type veth peer name eth0 netns $near.InitId
        ip link add two netns $peer.InitId type veth peer name eth0 netns $far.InitId
        $in = { param($FarHost, $Script) nsenter "--net=/proc/$($FarHost.InitId)/ns/net" sh -ec $Script }
        & $in $peer 'ip link add br0 type bridge; for i in one two; do ip link set $i master br0 up; done; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up'
        & $in $near 'ip addr add 10.0.0.7/24 dev eth0; ip link set eth0 up'
        & $in $far 'ip link set eth0 up; echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify'
        $null = New-Item -ItemType SymbolicLink "$folder/worker" -Target (Find-Program python3)
        $enter = 'nsenter', '--target', $near.InitId, '--pid', '--net', '--mount'
        $null = Start-TestProgram "$enter setsid sh -c 'exec $folder/worker $folder/echo.py 10.0.0.7 </dev/null >/dev/null 2>&1'"
        $null = Start-TestProgram "nsenter --net=/proc/$($peer.InitId)/ns/net $(Find-Program python3) $folder/ask.py 10.0.0.7 $folder/worked"
        Wait-Count "$folder/worked" 5

        $ran = Invoke-ChildPwsh -Prefix $enter -Environment @{ PATH = "${folder}:$env:PATH"; PSCRAC_SSH = '' } @'
Get-Process worker | Move-CracProcess -HostName blue.example -TcpEstablished -BeforeRestore { ip addr del 10.0.0.7/24 dev eth0; ssh blue.example ip addr add 10.0.0.7/24 dev eth0 } | ConvertTo-Json -EnumsAsStrings
'@

        $ran.Error | Should -BeNullOrEmpty
        $ran.Output | Should -Match '"State": "Moved"'
        Wait-CountingOn "$folder/worked"
        $numbers = Get-Count "$folder/worked"
        $numbers | Should -Be (1..$numbers.Count)
        & $in $near 'nft list tables' | Should -BeNullOrEmpty -Because 'the lock has gone with the address'
        & $far.Ssh blue.example 'cat /proc/[0-9]*/comm' | Should -Contain worker
    }

    It 'keeps the connection here where its address is not there' {
        $near = Start-FarHost alone $folder -Bare
        nsenter "--net=/proc/$($near.InitId)/ns/net" ip addr add 10.9.1.7/24 dev lo
        $id = Start-TestProgram "nsenter --net=/proc/$($near.InitId)/ns/net $(Find-Program python3) $folder/echo.py 10.9.1.7"
        $null = Start-TestProgram "nsenter --net=/proc/$($near.InitId)/ns/net $(Find-Program python3) $folder/ask.py 10.9.1.7 $folder/answers2"
        Wait-Count "$folder/answers2" 5

        $ran = Invoke-ChildPwsh -Prefix 'nsenter', "--net=/proc/$($near.InitId)/ns/net" "try { Move-CracProcess -Id $id -HostName blue -TcpEstablished -ErrorAction Stop } catch { `$_.FullyQualifiedErrorId }"

        $ran.Output | Should -Match '^AddressUnavailable'
        Wait-CountingOn "$folder/answers2"
        $numbers = Get-Count "$folder/answers2"
        $numbers | Should -Be (1..$numbers.Count)
        nsenter "--net=/proc/$($near.InitId)/ns/net" nft list tables | Should -BeNullOrEmpty
    }

    It 'says what the other host lacks' {
        $id = Start-StepIn "$folder/lacks"

        Move-CracProcess -Id $id -HostName bare -ErrorVariable failure -ErrorAction SilentlyContinue
        $failure[0].FullyQualifiedErrorId | Should -Match '^HostNotReady'
        $failure[0].ErrorDetails.RecommendedAction | Should -Match 'PowerShell 7\.6'

        Move-CracProcess -Id $id -HostName nowhere.invalid -ErrorVariable failure -ErrorAction SilentlyContinue
        $failure[0].FullyQualifiedErrorId | Should -Match '^HostUnreachable'
        $failure[0].ErrorDetails.RecommendedAction | Should -Match 'ssh nowhere\.invalid true'

        Remove-Item "$folder/lacks/step.py"
        Get-Process -Id $id | Should -Not -BeNullOrEmpty
        Assert-Count "$folder/lacks"
        Stop-Process -Id $id -Force
    }

    It 'refuses a shell job, since there is no terminal there' {
        Set-Content "$folder/job.py" "import pty; pty.spawn(['sleep', '1000'])"
        $parent = Start-TestProgram "$(Find-Program python3) $folder/job.py"
        Wait-Until { Get-ChildId $parent } 'the job runs'
        $job = @(Get-ChildId $parent)[0]

        Move-CracProcess -Id $job -HostName blue -ErrorVariable failure -ErrorAction SilentlyContinue

        $failure[0].FullyQualifiedErrorId | Should -Match '^TerminalAttached'
        $failure[0].ErrorDetails.RecommendedAction | Should -Match 'without a terminal'
        Get-Process -Id $job | Should -Not -BeNullOrEmpty
        Stop-Process -Id $job -Force
    }

    It 'refuses what would not work there, before anything is frozen' {
        $null = New-Item -ItemType Directory "$folder/held"
        $id = Start-TestProgram "sh -c 'exec sleep 1000 7>$folder/held/file'"
        Wait-Until { Test-Path "$folder/held/file" } 'the file is open'
        & $blue.Ssh blue "mount -t tmpfs tmpfs $folder/held"

        Move-CracProcess -Id $id -HostName blue -ErrorVariable failure -ErrorAction SilentlyContinue

        $failure[0].FullyQualifiedErrorId | Should -Match '^FileMissing'
        $failure[0].Exception.Message | Should -Match "blue: $folder/held/file"
        Stop-Process -Id $id -Force
    }
}
