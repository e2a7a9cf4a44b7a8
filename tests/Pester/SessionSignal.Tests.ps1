# Signals to a session that waits for what it has started or restored.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
    $shim = [IO.Path]::GetFullPath("$PSHOME/../Microsoft.PowerShell.GlobalTool.Shim.dll")
    $noShim = if ($obstacle) { $obstacle } elseif (-not (Test-Path -LiteralPath $shim)) { 'PowerShell is no .NET tool here' }
}

Describe 'A session that waits' {
    BeforeAll {
        Import-Module "$PSScriptRoot/Support.psm1"
        $folder = Enter-CracTest
        $python = Find-Program python3
        $shim = [IO.Path]::GetFullPath("$PSHOME/../Microsoft.PowerShell.GlobalTool.Shim.dll")
        Set-Content -LiteralPath "$folder/service.py" -Value @'
import os, signal, sys
def told(number, frame):
    print("signal", number, flush=True)
    if str(number) not in sys.argv: os._exit(40 + number)
for number in 1, 2, 3, 15: signal.signal(number, told)
print("serving", flush=True)
while True: signal.pause()
'@

        # Starts a session that runs a script, with a standard input that never says anything. Its id is what the script itself
        # tells: with a .NET tool, `pwsh` may be another process.
        function Start-Session([string] $Script, [string] $Pwsh = (@(Get-PwshCommand) -join ' ')) {
            $base = "$folder/$([guid]::NewGuid().ToString('N'))"
            Set-Content -LiteralPath "$base.ps1" -Value "Set-Content '$base.new' `$PID; Move-Item '$base.new' '$base.id'; Import-Module '$((Get-Module PSCrac).Path)'; $Script"
            bash -c "mkfifo '$base.in'"
            # What bash starts in the background ignores SIGINT and SIGQUIT, and what nohup starts SIGHUP.
            $starter = Start-TestProgram "sh -c 'env --default-signal=HUP,INT,QUIT,TERM $Pwsh -NoProfile -File $base.ps1 <>$base.in; echo exit code `$?'" -Output "$base.out"
            Wait-Until { Test-Path -LiteralPath "$base.id" } 'the session runs'
            [pscustomobject]@{ Id = [int](Get-Content -LiteralPath "$base.id"); Starter = $starter; Output = "$base.out" }
        }

        function Send-Signal([string] $Name, [int] $Id) { bash -c "kill -$Name $Id" }

        function Wait-Line([string] $Path, [string] $Pattern) {
            Wait-Until { (Test-Path -LiteralPath $Path) -and [IO.File]::ReadAllText($Path) -match $Pattern } "$Path has '$Pattern'"
        }
    }
    AfterAll { Exit-CracTest }
    AfterEach { Stop-TestProgram }

    It "passes SIG<Name> on to the program, whose exit code is its own$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) -ForEach @(
        @{ Name = 'HUP'; Number = 1 }, @{ Name = 'INT'; Number = 2 }, @{ Name = 'QUIT'; Number = 3 }, @{ Name = 'TERM'; Number = 15 }
    ) {
        $log = "$folder/service-$Name.log"
        $session = Start-Session "`$service = Start-CracProcess '$python' '$folder/service.py' -Wait -StandardOutputPath '$log' -ReadyPattern serving; 'went on'; exit `$service.ExitCode"
        Wait-Line $log serving
        Send-Signal $Name $session.Id
        Wait-Line $session.Output "exit code $(40 + $Number)"
        Get-Content -LiteralPath $log | Should -Be 'serving', "signal $Number"
        $text = [IO.File]::ReadAllText($session.Output)
        # PowerShell stops the script for SIGINT, as for Ctrl+C.
        $text -match 'went on' | Should -Be ($Name -ne 'INT')
        $text | Should -Not -Match 'debug mode'
    }

    It "is in no debugger after a SIGQUIT that the program lived through$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $log = "$folder/service-lives.log"
        $session = Start-Session "`$service = Start-CracProcess '$python' '$folder/service.py', 3 -Wait -StandardOutputPath '$log' -ReadyPattern serving; 'went on'; exit `$service.ExitCode"
        Wait-Line $log serving
        Send-Signal QUIT $session.Id
        Wait-Line $log 'signal 3'
        Send-Signal TERM $session.Id
        Wait-Line $session.Output 'exit code 55'
        [IO.File]::ReadAllText($session.Output) | Should -Not -Match 'debug mode'
    }

    It "leaves a restored process alone on SIG<Name>$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) -ForEach @(
        @{ Name = 'HUP'; Ends = $true }, @{ Name = 'INT'; Ends = $true }, @{ Name = 'QUIT'; Ends = $false }, @{ Name = 'TERM'; Ends = $true }
    ) {
        $log = "$folder/restored-$Name.log"
        $id = Start-TestProgram "$python $folder/service.py" -Output $log
        Wait-Line $log serving
        $null = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/image-$Name"
        $session = Start-Session "Restore-CracProcess '$folder/image-$Name' -Wait -Verbose 4>'$log.restored'; 'went on'"
        Wait-Line "$log.restored" 'runs again'
        Send-Signal $Name $session.Id
        if ($Ends) {
            Wait-Line $session.Output 'exit code \d+'
        }
        else {
            # Enough for the signal to have arrived before the process ends.
            Wait-Until { [IO.File]::ReadAllText("/proc/$($session.Id)/status") -match 'ShdPnd:\s+0+\r?\n' } 'the signal is taken'
            Test-Running $session.Id | Should -BeTrue
        }
        Test-Running $id | Should -BeTrue
        [IO.File]::ReadAllText($session.Output) | Should -Not -Match 'went on'
        Get-Content -LiteralPath $log | Should -Be 'serving'
    }

    It "is not reached by SIGTERM to the shim of a .NET tool$(Get-SkipNote $noShim)" -Skip:([bool] $noShim) {
        $log = "$folder/service-shim.log"
        $session = Start-Session "`$null = Start-CracProcess '$python' '$folder/service.py' -Wait -StandardOutputPath '$log' -ReadyPattern serving" -Pwsh "dotnet $shim"
        Add-TestProgram $session.Id
        Wait-Line $log serving
        $shimId = [int]([IO.File]::ReadAllText("/proc/$($session.Id)/stat") -replace '.*\) \S (\d+) .*', '$1')
        Send-Signal TERM $shimId
        Wait-Line $session.Output 'exit code 143'
        Test-Running $session.Id | Should -BeTrue
        # The service ends by a signal to PowerShell itself.
        Send-Signal TERM $session.Id
        Wait-Line $log 'signal 15'
    }
}
