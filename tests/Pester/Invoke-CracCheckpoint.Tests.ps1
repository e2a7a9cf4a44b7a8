BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Invoke-CracCheckpoint$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    AfterEach {
        Stop-TestProgram
    }

    It 'kills the process, and returns when its id is free' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr"
        Test-Path "/proc/$id" | Should -BeFalse
        $image.Path | Should -Be "$work/cr"
        $image.Name | Should -Be 'cr'
        $image.Command | Should -Be 'sleep 1000'
        $image.ProcessCount | Should -Be 1
        $image.Engine | Should -Be 'Criu'
        $image.CriuVersion | Should -Match '^\d+\.\d+'
        $image.Statistics.PagesWritten | Should -BeGreaterThan 0
        $image.Created | Should -BeGreaterThan ([DateTime]::Now.AddMinutes(-5))
    }

    It 'returns at once with -PidTimeout 0, and warns of no id when it did not wait' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -PidTimeout 0 -WarningVariable warnings -WarningAction SilentlyContinue
        Test-Running $id | Should -BeFalse
        $image.RootProcessId | Should -Be $id
        $warnings | Should -BeNullOrEmpty
    }

    It 'makes an image that its owner alone can read' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr"
        (Get-Item -LiteralPath $image.Path).UnixMode | Should -Be 'drwx------'
        (Get-ChildItem -LiteralPath $image.Path).UnixMode | Sort-Object -Unique | Should -Be '-rw-------'
    }

    It 'compresses memory with -Compress, or says before it freezes the process that this criu cannot' {
        $id = Start-TestProgram 'sleep 1000'
        if ((Test-CracEnvironment).Where({ $_.Name -eq 'compress' }).IsAvailable) {
            (Invoke-CracCheckpoint $id "$folder/compressed" -Compress).IsCompressed | Should -BeTrue
        }
        else {
            Invoke-CracCheckpoint $id "$folder/compressed" -Compress -ErrorVariable failed -ErrorAction SilentlyContinue
            $failed.FullyQualifiedErrorId | Should -BeLike 'CriuFeatureMissing,*'
            $failed.CategoryInfo.Category | Should -Be NotInstalled
            $failed.ErrorDetails.RecommendedAction | Should -Match '-CriuPath'
            "$folder/compressed" | Should -Not -Exist
            Get-Process -Id $id | Should -Not -BeNullOrEmpty
        }
    }

    It 'makes missing folders above the image' {
        $id = Start-TestProgram 'sleep 1000'
        (Invoke-CracCheckpoint -Id $id -ImagePath "$work/a/b/c").Path | Should -Be "$work/a/b/c"
    }

    It 'drops callers that were not accepted yet with -SkipInFlight, and names it without' {
        $code = 'import socket, time; s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); open("{0}", "w").close(); time.sleep(1000)' -f "$work/waiting"
        Set-Content -LiteralPath "$work/calls.py" -Value $code
        $id = Start-TestProgram "python3 $work/calls.py"
        Wait-Until { Test-Path "$work/waiting" } 'a caller waits'
        { Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -TcpClose -ErrorAction Stop } | Should -Throw -ErrorId 'TcpConnectionOpen,*'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -TcpClose -SkipInFlight
        $image.Options['skip-in-flight'] | Should -BeTrue
    }

    It 'takes an id that is text, as pgrep gives it' {
        $id = Start-TestProgram 'sleep 1000'
        (Invoke-CracCheckpoint "$id" "$work/cr").RootProcessId | Should -Be $id
    }

    It 'lets the process go on with -LeaveRunning' {
        $id = Start-Count "$work/n"
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -LeaveRunning
        Test-Running $id | Should -BeTrue
        Wait-CountingOn "$work/n"
        Find-Gap "$work/n" | Should -BeNullOrEmpty
        $image.Options.Keys | Should -Contain 'leave-running'
    }

    It 'touches nothing with -WhatIf, and says what it would do' {
        $id = Start-Count "$work/n"
        $said = Invoke-ChildPwsh "Invoke-CracCheckpoint -Id $id -ImagePath '$work/new/cr' -WhatIf"
        $said.Output | Should -BeLike "What if:*$work/new/cr*killed*bash ($id)*"
        (Invoke-ChildPwsh "Invoke-CracCheckpoint -Id $id -ImagePath '$work/new/cr' -LeaveRunning -WhatIf").Output | Should -Not -Match 'killed'
        Test-Running $id | Should -BeTrue
        Test-Path "$work/new" | Should -BeFalse
    }

    It 'does nothing where the answer to -Confirm is no, and needs no answer without it' {
        $id = Start-TestProgram 'sleep 1000'
        $asked = Invoke-ChildPwsh "Invoke-CracCheckpoint -Id $id -ImagePath '$work/cr' -Confirm"
        $asked.Error | Should -Match 'NonInteractive|interactive'
        Test-Running $id | Should -BeTrue
        (Invoke-ChildPwsh "(Invoke-CracCheckpoint -Id $id -ImagePath '$work/cr').RootProcessId").Output | Should -Be $id
    }

    It 'says what it does with -Verbose' {
        $id = Start-TestProgram "bash -c 'exec 8>$work/lock; flock 8; sleep 1000; :'"
        Wait-Until { (Get-Content "/proc/$id/fdinfo/8" -ErrorAction Ignore) -match '^lock:' } 'the lock is held'
        $said = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -Verbose 4>&1 | Where-Object { $_ -is [Management.Automation.VerboseRecord] } | Out-String
        $said | Should -Match "bash \($id\)"
        $said | Should -Match 'Chose file-locks'
        $said | Should -Match 'Frozen for \d+ ms'
        $said | Should -Match 'options: .*file-locks'
    }

    It 'chooses nothing with -NoAutoOption' {
        $id = Start-TestProgram "bash -c 'exec 8>$work/lock; flock 8; sleep 1000; :'"
        Wait-Until { (Get-Content "/proc/$id/fdinfo/8" -ErrorAction Ignore) -match '^lock:' } 'the lock is held'
        { Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -NoAutoOption -ErrorAction Stop } | Should -Throw -ErrorId 'FileLocksHeld,*'
        Test-Running $id | Should -BeTrue
        (Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -NoAutoOption -FileLocks).Options.Keys | Should -Contain 'file-locks'
    }

    Context 'where something is at the path already' {
        It 'leaves an image that is there, and the process, alone' {
            $id = Start-TestProgram 'sleep 1000'
            $first = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -LeaveRunning
            { Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -ErrorAction Stop } | Should -Throw -ErrorId 'ImageExists,*'
            (Get-CracImage "$work/cr").Created | Should -Be $first.Created
            Test-Running $id | Should -BeTrue
        }

        It 'replaces an image with -Force' {
            $id = Start-TestProgram 'sleep 1000'
            $first = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -LeaveRunning
            Set-Content "$work/cr/stale" 'of the first'
            $second = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -Force
            $second.Created | Should -BeGreaterThan $first.Created
            Test-Path "$work/cr/stale" | Should -BeFalse
            (Get-ChildItem $work -Force).Name | Should -Be 'cr'
        }

        It 'keeps the old image when the checkpoint that was to replace it fails' {
            $id = Start-TestProgram 'sleep 1000'
            $first = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -LeaveRunning
            { Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -Force -CriuOption @{ nonsense = $true } -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*'
            (Get-CracImage "$work/cr").Created | Should -Be $first.Created
            (Get-ChildItem $work -Force).Name | Should -Be 'cr'
            Test-Running $id | Should -BeTrue
        }

        It 'never replaces <What>, not even with -Force' -ForEach @(
            @{ What = 'a file'; Make = { Set-Content $args[0] 'precious' } }
            @{ What = 'a folder that is not an image'; Make = { $null = New-Item -ItemType Directory $args[0]; Set-Content "$($args[0])/mine" 'precious' } }
            @{ What = 'a symbolic link'; Make = { $null = New-Item -ItemType SymbolicLink $args[0] -Target '/nowhere' } }
        ) {
            $id = Start-TestProgram 'sleep 1000'
            & $Make "$work/cr"
            $before = Get-Item "$work/cr" -Force
            { Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -Force -ErrorAction Stop } | Should -Throw -ErrorId 'ImageExists,*' -ExpectedMessage "*$What*"
            (Get-Item "$work/cr" -Force).LastWriteTimeUtc | Should -Be $before.LastWriteTimeUtc
            Test-Running $id | Should -BeTrue
        }
    }

    Context 'by name' {
        It 'puts the image under the image root, where its name finds it from anywhere' {
            $id = Start-TestProgram 'sleep 1000'
            $image = Invoke-CracCheckpoint -Id $id -ImageName nightly
            $image.Path | Should -Be "$env:PSCRAC_IMAGE_ROOT/nightly"
            (Get-CracImage nightly).RootProcessId | Should -Be $id
            (Restore-CracProcess nightly).Id | Should -Be $id
        }

        It 'takes no path for a name' {
            $id = Start-TestProgram 'sleep 1000'
            { Invoke-CracCheckpoint -Id $id -ImageName ../escape -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*'
            Test-Running $id | Should -BeTrue
        }
    }

    Context 'of processes by their names' {
        BeforeAll {
            # Programs with names that nothing else here has.
            $bin = "$folder/bin"
            $null = New-Item -ItemType Directory -Force $bin
            Copy-Item (Find-Program sleep) "$bin/nap one"
            Copy-Item (Find-Program sleep) "$bin/nap[2]"
            Copy-Item (Find-Program bash) "$bin/napper"
            $nap = @{ One = "'$bin/nap one' 1000"; Two = "'$bin/nap[2]' 1000" }
        }

        It 'takes those that a wildcard matches, in any case, each to its own default name' {
            $one = Start-TestProgram $nap.One
            $two = Start-TestProgram $nap.Two
            $images = @(Invoke-CracCheckpoint -Name 'NAP*')
            $images.RootProcessId | Sort-Object | Should -Be ($one, $two | Sort-Object)
            $images.Name | Sort-Object | Should -Be ("nap one-$one", "nap[2]-$two" | Sort-Object)
            Test-Running $one | Should -BeFalse
            Test-Running $two | Should -BeFalse
        }

        It 'takes a name with an escaped bracket, and the image''s path behind it' {
            $two = Start-TestProgram $nap.Two
            (Invoke-CracCheckpoint -Name 'nap`[2`]' "$work/cr").RootProcessId | Should -Be $two
        }

        It 'refuses one image for several, before anything is done: <_>' -ForEach '-ImageName x', '-ImagePath "$work/x"', '"$work/x"' {
            $one = Start-TestProgram $nap.One
            $two = Start-TestProgram $nap.Two
            $call = "Invoke-CracCheckpoint -Name nap* $_"
            { Invoke-Expression $call } | Should -Throw -ErrorId 'OptionRefused,*' -ExpectedMessage '*2 processes*'
            Test-Running $one | Should -BeTrue
            Test-Running $two | Should -BeTrue
            Test-Path "$work/x" | Should -BeFalse
            Get-CracImage x* | Should -BeNullOrEmpty
        }

        It 'leaves out what is in the tree of another one, and what has ended' {
            $root = Start-TestProgram "$bin/napper -c '$bin/napper -c `"sleep 1000; :`" & sleep 1000; :'"
            Wait-Until { @(Get-Process napper -ErrorAction Ignore).Count -eq 2 } 'both run'
            (Test-CracProcess -Name napper -Quiet) | Should -HaveCount 1
            $image = Invoke-CracCheckpoint -Name napper -ImageName both
            $image.RootProcessId | Should -Be $root
            $image.Processes.Where({ $_.Command -eq 'napper' }) | Should -HaveCount 2
        }

        It 'goes on with the other names where none has one' {
            $one = Start-TestProgram $nap.One
            $images = @(Invoke-CracCheckpoint -Name nobody, 'nap one', 'nobody*' -ErrorAction SilentlyContinue -ErrorVariable errors)
            $images.RootProcessId | Should -Be $one
            $errors.FullyQualifiedErrorId | Should -Be 'ProcessNotFound,PSCrac.Commands.InvokeCracCheckpointCommand', 'ProcessNotFound,PSCrac.Commands.InvokeCracCheckpointCommand'
            $errors.TargetObject | Should -Be 'nobody', 'nobody*'
        }

        It 'is not bound from the pipeline' {
            $id = Start-TestProgram $nap.One
            ([pscustomobject]@{ Name = 'nobody'; ProcessName = 'nobody'; Id = $id } | Invoke-CracCheckpoint -ImagePath "$work/cr").RootProcessId | Should -Be $id
        }

        It 'has its names completed' {
            $null = Start-TestProgram $nap.One
            $null = Start-TestProgram $nap.Two
            foreach ($command in 'Invoke-CracCheckpoint', 'Test-CracProcess') {
                $line = "$command -Name nap"
                $texts = (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText
                $texts | Should -Be "'nap one'", "'nap``[2``]'"
                foreach ($text in $texts) {
                    Invoke-Expression "Test-CracProcess -Name $text -Quiet" | Should -BeTrue
                }
            }
        }

        It 'is what Test-CracProcess takes, too' {
            $null = Start-TestProgram $nap.One
            Test-CracProcess -Name 'nap o*' -Quiet | Should -BeExactly $true
            Test-CracProcess -Name nobody -Quiet | Should -BeExactly $false
            Test-CracProcess -Name 'nobody*', 'nap one' -Quiet | Should -Be $false, $true
        }
    }

    Context 'bound by position' {
        It 'takes the path first after a pipe: <_>' -ForEach 'Get-Process -Id $id | Invoke-CracCheckpoint "$work/cr"', 'Invoke-CracCheckpoint -InputObject (Get-Process -Id $id) "$work/cr"', 'Get-Process -Id $id | Invoke-CracCheckpoint -ImagePath { "$work/cr" }', '[pscustomobject]@{ Id = $id; ImagePath = "$work/cr" } | Invoke-CracCheckpoint', 'Invoke-CracCheckpoint "$id" "$work/cr"', 'Invoke-CracCheckpoint $id "$work/cr"', 'Invoke-CracCheckpoint (Get-Process -Id $id).Id -ImagePath "$work/cr"' {
            $id = Start-TestProgram 'sleep 1000'
            $image = Invoke-Expression $_
            $image.RootProcessId | Should -Be $id
            $image.Path | Should -Be "$work/cr"
        }

        It 'takes a path that is a number by its name' {
            $id = Start-TestProgram 'sleep 1000'
            (Get-Process -Id $id | Invoke-CracCheckpoint -ImagePath "$work/7").Path | Should -Be "$work/7"
        }
    }
}
