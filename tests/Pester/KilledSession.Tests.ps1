# PowerShell killed half-way: no stray process, no half image, no frozen program.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $image = "$folder/image"

    # Who asks here is hung up on, and is never ready.
    $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)

    # A session of its own, in which Tell says that the moment has come, and which process it is about.
    function Start-Session([string] $Command) {
        $tell = "function Tell(`$Id) { Set-Content '$work/new' `$Id; [IO.File]::Move('$work/new', '$work/told', `$true) }"
        $start = [Diagnostics.ProcessStartInfo]::new([Environment]::ProcessPath)
        foreach ($argument in @(Get-PwshCommand | Select-Object -Skip 1) + @('-NoProfile', '-NonInteractive', '-Command') + "Import-Module '$((Get-Module PSCrac).Path)'; $tell; $Command") {
            $start.ArgumentList.Add($argument)
        }
        $start.WorkingDirectory = $work
        [Diagnostics.Process]::Start($start)
    }

    # Whether somebody asks whether the program is ready, while it runs. It is asked for before it runs, too.
    function Test-Asked([int] $Id) {
        if (-not $listener.Pending()) { return $false }
        $client = $listener.AcceptTcpClient()
        try { Test-Running $Id }
        finally { $client.Dispose() }
    }

    function Wait-Session([Diagnostics.Process] $Session, [scriptblock] $Condition, [string] $What) {
        Wait-Until { (& $Condition) -or $Session.HasExited } $What
        $Session.HasExited | Should -BeFalse -Because "it is to be killed when $What"
    }

    function Stop-Session([Diagnostics.Process] $Session) {
        $Session.Kill()
        $Session.WaitForExit()
    }
}

AfterAll {
    Exit-CracTest
}

Describe "a session that is killed$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $sleeping = (Start-CracProcess sleep 1000 -WorkingDirectory $folder -ImagePath $image -WarningAction Ignore).Image.RootProcessId
    }

    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        $listener.Start()
        $uri = "http://127.0.0.1:$($listener.LocalEndpoint.Port)/"
    }

    AfterEach {
        if ($session) { Stop-Session $session }
        $listener.Stop()
        Stop-TestProgram
    }

    It 'takes what it has begun with it: <Phase>' -ForEach @(
        @{ Phase = 'the warm-up'; Command = { "Start-CracProcess sleep 1000 -ImagePath '$work/cr' -WarmUp { Tell `$_.Id; Start-Sleep 1000 }" } }
        @{ Phase = 'the wait for what was restored'; Command = { "Start-CracProcess sleep 1000 -WorkingDirectory '$folder' -ImagePath '$image' -OrRestore -ReadyUri $uri" }; IsAsking = $true }
        @{ Phase = 'the same in a pid namespace'; Command = { "Start-CracProcess sleep 1000 -WorkingDirectory '$folder' -ImagePath '$image' -OrRestore -PidNamespace New -ReadyScript { Tell `$_.Id; `$false }" } }
        @{ Phase = 'a cold start that is measured'; Command = { "Measure-CracStartup sleep 1000 -WorkingDirectory '$folder' -ImagePath '$image' -ReadyScript { Tell `$_.Id; `$false }" } }
        @{ Phase = 'a restore that is measured'; Command = { "Measure-CracStartup sleep 1000 -WorkingDirectory '$folder' -ImagePath '$image' -ReadyScript { if (`$_.IsRestored) { Tell `$_.Id }; -not `$_.IsRestored }" } }
    ) {
        $session = Start-Session (& $Command)
        Wait-Session $session { $IsAsking ? (Test-Asked $sleeping) : (Test-Path -LiteralPath "$work/told") } 'the phase has come'
        $id = $IsAsking ? $sleeping : [int](Get-Content -LiteralPath "$work/told")
        Test-Running $id | Should -BeTrue

        Stop-Session $session

        Wait-Until { -not (Test-Running $id) } 'the program ends'
        (Get-ChildItem -LiteralPath $work -Force).Name | Where-Object { $_ -notin 'told', 'new' } | Should -BeNullOrEmpty
        $image | Should -Exist
    }

    It 'takes the program with it in the checkpoint after the warm-up, and leaves no image' {
        $program = 'import time; big = bytearray(b\"x\") * (600 << 20); open(\"ready\", \"w\").close(); time.sleep(1000)'.Replace('\"', '"')
        $session = Start-Session "Start-CracProcess python3 '-c', '$program' -ReadyFile '$work/ready' -WarmUp { Tell `$_.Id } -ImagePath '$work/to/cr' -OrRestore"
        Wait-Session $session { (Test-Path -LiteralPath "$work/to") -and (Test-DumpUnderWay "$work/to") } 'the dump is under way'
        $id = [int](Get-Content -LiteralPath "$work/told")

        Stop-Session $session

        Wait-Until { -not (Test-Running $id) } 'the program ends'
        "$work/to/cr" | Should -Not -Exist
        # What was written so far goes with the next one.
        $null = Start-CracProcess sleep 1000 -ImagePath "$work/to/cr" -WarningAction Ignore
        (Get-ChildItem -LiteralPath "$work/to" -Force).Name | Should -Be 'cr'
    }

    It 'leaves what Restore-CracProcess has restored running while it waits for it' {
        $id = Start-Count "$work/n"
        $null = Invoke-CracCheckpoint $id "$work/cr"
        $session = Start-Session "Restore-CracProcess '$work/cr' -ReadyUri $uri"
        Wait-Session $session { Test-Asked $id } 'the session asks whether it is ready'

        Stop-Session $session

        Wait-CountingOn "$work/n"
        Find-Gap "$work/n" | Should -BeNullOrEmpty
        Test-Running $id | Should -BeTrue
    }
}
