# A service from its registration to its removal: the command of its unit is run as systemd runs it.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest

    # Runs the command of a unit with a notify socket, and returns once systemd would call the service active.
    function Start-Unit([string] $Path) {
        $said.Clear()
        $command = (Get-Content $Path) -match '^ExecStart=' -replace '^ExecStart='
        $start = [Diagnostics.ProcessStartInfo]::new('/bin/sh', [string[]] ('-c', "exec $command 2>>'$folder/log'"))
        $start.Environment['NOTIFY_SOCKET'] = "$folder/notify"
        $process = [Diagnostics.Process]::Start($start)
        Wait-Until { Read-Notification; $process.HasExited -or $said -match '^READY=1$' } 'the service is ready'
        $process.HasExited | Should -BeFalse -Because (Get-Content -Raw "$folder/log")
        $process
    }

    function Read-Notification {
        $buffer = [byte[]]::new(4096)
        while ($socket.Available -gt 0) {
            $said.AddRange([string[]] [Text.Encoding]::UTF8.GetString($buffer, 0, $socket.Receive($buffer)).Split("`n"))
        }
    }

    function Stop-Unit([Diagnostics.Process] $Process) {
        & /bin/sh -c "kill $($Process.Id)"
        $Process.WaitForExit()
        $Process.ExitCode
    }
}

AfterAll {
    Exit-CracTest
}

Describe "A service$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    It 'is started once, restored ever after, and gone once it is unregistered' {
        $said = [Collections.Generic.List[string]]::new()
        $socket = [Net.Sockets.Socket]::new('Unix', 'Dgram', 'Unspecified')
        $socket.Bind([Net.Sockets.UnixDomainSocketEndPoint]::new("$folder/notify"))
        $running = $null
        try {
            Set-Content "$folder/count.py" 'import itertools, time', 'for n in itertools.count(1): print(n, flush=True); time.sleep(0.02)'
            $service = Register-CracService counts (Find-Program python3) "$folder/count.py" -StandardOutputPath "$folder/numbers" -ReadyPattern '^5$' -UnitDirectory "$folder/units"

            $running = Start-Unit $service.UnitPath
            $said | Should -Contain "MAINPID=$($running.Id)"
            $now = Get-CracService counts
            $now.IsRunning, $now.IsRestored, $now.ImageCount | Should -Be $true, $false, 1
            $id = $now.ProcessId
            (Get-CracProcess counts).Id | Should -Be $id
            { Unregister-CracService counts -ErrorAction Stop } | Should -Throw -ErrorId 'ServiceRunning,*'
            Stop-Unit $running | Should -Be 143
            (Get-CracService counts).IsRunning | Should -BeFalse

            $image = (Get-CracService counts).Image
            $running = Start-Unit $service.UnitPath
            $now = Get-CracService counts
            $now.IsRestored | Should -BeTrue
            $now.ProcessId | Should -Be $id
            (Get-CracProcess counts).ImagePath | Should -Be $image.Path
            (Get-CracImage counts | Remove-CracImage -KeepLast 1 -OlderThan 00:00:00) | Should -BeNullOrEmpty
            (Get-CracImage counts).Path | Should -Be $image.Path
            Stop-Unit $running | Should -Be 143

            Unregister-CracService counts -UnitDirectory "$folder/units" -RemoveImage
            Get-ChildItem "$folder/units" | Should -BeNullOrEmpty
            Test-Path $image.Path | Should -BeFalse
        }
        finally {
            if ($running -and -not $running.HasExited) { $null = Stop-Unit $running }
            $socket.Dispose()
        }
    }
}
